"""How endpoints are answered."""

from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from domain.errors import Invalid
from producers.webhooks.endpoints import Endpoint
from producers.webhooks.models import EndpointAnswer, EventTypesAnswer, SecretAnswer, TestAnswer
from runtime.http.problem import ProblemError

IF_MATCH: Final[dict[str, Any]] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "the ETag that the endpoint was read with",
    "schema": {"type": "string", "pattern": '^("[0-9]{1,9}"|[*])$'},
}
"""The header, for the OpenAPI document."""

IF_MATCH_REQUIRED: Final[dict[str, Any]] = IF_MATCH | {"required": True}
"""The same where a change without it is 428."""

_JSON: Final = "application/json"
_CONFLICTS: Final = frozenset({"too_many_endpoints", "rotation_in_progress"})


def endpoint_answer(endpoint: Endpoint, expiries: list[datetime | None]) -> EndpointAnswer:
    """An endpoint, and when each of its secrets ceases to sign."""
    return EndpointAnswer(
        endpoint_id=endpoint.endpoint_id,
        version=endpoint.version,
        url=endpoint.url,
        event_types=list(endpoint.event_types),
        description=endpoint.description,
        rate_per_s=endpoint.rate_per_s,
        is_ordered=endpoint.is_ordered,
        created_at=endpoint.created_at,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
        failing_since=endpoint.failing_since,
        secret_expiries=expiries,
    )


def etag(endpoint: Endpoint) -> dict[str, str]:
    """The header that names its version."""
    return {"ETag": f'"{endpoint.version}"'}


def conflict(error: Invalid) -> ProblemError:
    """409 where something else of theirs stands in the way."""
    status = 409 if error.code in _CONFLICTS else 422
    return ProblemError(status, error.code, error.message)


def json_of(
    answer: EndpointAnswer | SecretAnswer | TestAnswer | EventTypesAnswer,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """The HTTP answer."""
    return Response(answer.model_dump_json(), status_code=status, media_type=_JSON, headers=headers)
