"""Errors as RFC 9457 problems: one shape for everything that goes wrong at an edge.

* ProblemError   an edge's own no, with its HTTP status
* Invalid        422
* Unavailable    503 with Retry-After: nothing happened, the same request may come again
  + Unknown      503 with Retry-After and `"state": "unknown"`: ask again with the same key
* anything else  500, its cause in the log and nowhere else

A problem carries no stack, no SQL and nothing of what the client sent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from domain.errors import Invalid, Unavailable, Unknown
from runtime import limits
from runtime.http.scope import request_id_of

MEDIA_TYPE: Final = "application/problem+json"

_STATUS_CODES: Final = {
    404: "not_found",
    405: "method_not_allowed",
}

# What pydantic says of these holds limits and type names only; other messages may quote input.
_QUOTABLE: Final = frozenset(
    {
        "missing",
        "string_type",
        "string_too_long",
        "string_too_short",
        "string_pattern_mismatch",
        "int_type",
        "int_parsing",
        "bool_type",
        "greater_than_equal",
        "less_than_equal",
        "literal_error",
        "enum",
        "list_type",
        "too_long",
        "too_short",
        "model_type",
        "model_attributes_type",
        "dict_type",
        "timezone_aware",
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where (an RFC 6901 pointer into the body) and what."""

    pointer: str
    message: str
    code: str | None = None


class ProblemError(Exception):
    """An edge's no. `code` is stable snake_case; no text in it may repeat the client's input."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        state: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        self.state = state

    def document(self, request_id: str) -> dict[str, Any]:
        """The problem's JSON."""
        document: dict[str, Any] = {
            "type": f"urn:titan:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:titan:request:{request_id}",
            "code": self.code,
            "errors": [_fault_document(fault) for fault in self.faults],
            "request_id": request_id,
        }
        if self.state is not None:
            document["state"] = self.state
        return document


class FaultDocument(BaseModel):
    """One fault, as the API describes it."""

    model_config = ConfigDict(extra="forbid")

    pointer: str
    message: str
    code: str | None = None


class ProblemDocument(BaseModel):
    """An RFC 9457 problem, as the API describes it."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FaultDocument]
    request_id: str
    state: str | None = None


def problem_of(error: Exception) -> ProblemError:
    """The problem that an error is told as; anything not foreseen is a plain 500."""
    match error:
        case ProblemError():
            problem = error
        case Invalid():
            problem = ProblemError(422, error.code, error.message)
        case Unknown():
            problem = unknown_problem()
        case Unavailable():
            problem = unavailable_problem()
        case RequestValidationError():
            problem = _parameters_problem(error)
        case HTTPException():
            problem = _status_problem(error)
        case _:
            problem = ProblemError(
                500, "internal_error", "an error on our side; it has been logged"
            )
    return problem


def unavailable_problem() -> ProblemError:
    """A dependency is down and nothing happened: the same request may come again."""
    return ProblemError(
        503,
        "unavailable",
        "something this needs is down; nothing was done, try again",
        headers=_retry_after(limits.UNAVAILABLE_RETRY_AFTER_S),
    )


def unknown_problem() -> ProblemError:
    """No answer came in time: it may have happened, and the same key finds out."""
    return ProblemError(
        503,
        "outcome_unknown",
        "no answer came in time, it may have been accepted; repeat with the same Idempotency-Key",
        headers=_retry_after(limits.UNAVAILABLE_RETRY_AFTER_S),
        state="unknown",
    )


def body_problem(error: ValidationError, model: type[BaseModel] | None = None) -> ProblemError:
    """A body that does not fit its model: every fault at once, none with the input in its words."""
    return ProblemError(
        422, "invalid_body", "the body does not fit; see errors", faults=faults_of(error, model)
    )


def faults_of(error: ValidationError, model: type[BaseModel] | None = None) -> list[Fault]:
    """The faults that pydantic found, as pointers into the body."""
    known = ", ".join(model.model_fields) if model is not None else None
    return [
        _fault(fault["type"], fault["loc"], fault["msg"], known)
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def problem_response(problem: ProblemError, connection: HTTPConnection) -> Response:
    """The HTTP answer of a problem."""
    return Response(
        json.dumps(problem.document(request_id_of(connection.scope)), separators=(",", ":")),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an error that a route raised; registered for every kind that has an answer."""
    return problem_response(problem_of(error), request)


def _retry_after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _fault(kind: str, location: Sequence[int | str], message: str, known: str | None) -> Fault:
    if kind == "extra_forbidden":
        # The pointer would repeat a name that the client made up: point at what holds it instead.
        hint = f"; known are {known}" if known and len(location) == 1 else ""
        return Fault(_pointer(location[:-1]), f"a field here is not known{hint}")
    if kind in _QUOTABLE:
        return Fault(_pointer(location), message)
    return Fault(_pointer(location), "is not valid here")


def _pointer(location: Sequence[int | str]) -> str:
    return "".join(f"/{part}" for part in location)


def _fault_document(fault: Fault) -> dict[str, str]:
    document = {"pointer": fault.pointer, "message": fault.message}
    if fault.code is not None:
        document["code"] = fault.code
    return document


def _parameters_problem(error: RequestValidationError) -> ProblemError:
    faults = error.errors()
    if any(fault["loc"][:1] == ("path",) for fault in faults):
        # A path that names nothing is not found, however it is spelled.
        return ProblemError(404, "not_found", "there is nothing here")
    return ProblemError(
        422,
        "invalid_parameter",
        "the parameters do not fit; see errors",
        faults=[_fault(fault["type"], fault["loc"], fault["msg"], None) for fault in faults],
    )


def _status_problem(error: HTTPException) -> ProblemError:
    status = error.status_code
    phrase = HTTPStatus(status).phrase
    return ProblemError(
        status,
        _STATUS_CODES.get(status, phrase.lower().replace(" ", "_").replace("-", "_")),
        phrase,
        headers=error.headers,
    )
