"""What FastAPI cannot see of a route that reads its own body, for the OpenAPI document."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from runtime import limits
from runtime.http.problem import ProblemDocument

_REFERENCE: Final = "#/components/schemas/{model}"
_HEADERS: Final = {
    "Idempotency-Key": "1 to 255 visible ASCII characters; the same key is the same request",
    "Prefer": "`wait=n`: wait up to n seconds for more than the first answer",
    "Last-Event-ID": "go on after this event",
}

# Quotes around it belong to the header (a structured field's string), not to the key.
_BARE: Final = rf"[!#-~][!-~]{{0,{limits.IDEMPOTENCY_KEY_CHARACTERS_MAX - 1}}}"
_QUOTED: Final = rf'"([!#-\[\]-~]|\\["\\]){{1,{limits.IDEMPOTENCY_KEY_CHARACTERS_MAX}}}"'
_FORMS: Final = {"Idempotency-Key": {"pattern": f"^({_BARE}|{_QUOTED})$"}}


def takes(body: type[BaseModel] | None, *headers: str) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads this body and these headers by itself.

    Name the body among the application's `body_models` too.
    """
    extra: dict[str, Any] = {
        "parameters": [
            {
                "name": header,
                "in": "header",
                "required": False,
                "description": _HEADERS[header],
                "schema": {"type": "string", **_FORMS.get(header, {})},
            }
            for header in headers
        ]
    }
    if body is not None:
        schema = {"$ref": _REFERENCE.format(model=body.__name__)}
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return extra


def add_models(document: dict[str, Any], models: Sequence[type[BaseModel]]) -> None:
    """Define these models, and the problem, in an OpenAPI document."""
    described: list[type[BaseModel]] = [*models, ProblemDocument]
    wanted: list[tuple[type[BaseModel], Literal["validation"]]]
    wanted = [(model, "validation") for model in described]
    _, definitions = models_json_schema(wanted, ref_template=_REFERENCE)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in definitions["$defs"].items():
        schemas.setdefault(name, schema)
