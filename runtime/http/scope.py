"""What the edge's middleware writes into a request's ASGI scope, and how to read it."""

from collections.abc import Sequence
from typing import Final

from starlette.types import Scope

REQUEST_ID: Final = "titan.request_id"
TRACEPARENT: Final = "titan.traceparent"
HEADERS: Final = "titan.headers"
BODY_BYTES_MAX: Final = "titan.body_bytes_max"
"""How large a body the route takes, where its rule says so."""
ACTS_DUE: Final = "titan.acts_due"
"""That each success of the route is an act of staff, to be written down once."""
ACTS: Final = "titan.acts"
"""How many acts of staff were written down."""
RULE: Final = "titan.rule"
"""The rule that let the caller in: a request that lasts is held to it again."""
DIRECT: Final = "titan.direct"
"""The path of a route that is served without the router."""


def request_id_of(scope: Scope) -> str:
    """The id of this request: the client's own if it sent a sound one, else one of ours."""
    request_id: str = scope.get(REQUEST_ID, "none")
    return request_id


def traceparent_of(scope: Scope) -> str | None:
    """The request's W3C trace context, or None; it goes into the headers of what is published."""
    traceparent: str | None = scope.get(TRACEPARENT)
    return traceparent


def keep_headers(scope: Scope) -> None:
    """Index the request's headers, so that each look at one is no search."""
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name, []).append(value)
    scope[HEADERS] = headers


def header_values(scope: Scope, name: bytes) -> Sequence[bytes]:
    """Every value of a header, in order; `name` is lower case."""
    headers: dict[bytes, list[bytes]] = scope[HEADERS]
    return headers.get(name, ())
