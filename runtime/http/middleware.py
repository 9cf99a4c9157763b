"""Around every request, as plain ASGI so that it costs microseconds.

Gives the request its id and trace context, mounts every route under /v1 as well, adds the security
headers, counts long bodies, and answers 500 to what nobody foresaw.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from http.client import BAD_REQUEST, INTERNAL_SERVER_ERROR
from typing import Final

import structlog
from prometheus_client import Histogram
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import Defect
from runtime import metrics
from runtime.clock import Clock
from runtime.http.authorization import Guard, Rule
from runtime.http.body_limit import LongBody, is_long
from runtime.http.head import demand_small_head
from runtime.http.problem import problem_of, problem_response
from runtime.http.scope import (
    ACTS,
    ACTS_DUE,
    DIRECT,
    REQUEST_ID,
    TRACEPARENT,
    header_values,
    keep_headers,
)

VERSION_PREFIX: Final = "/v1"

Endpoint = Callable[[Request], Awaitable[Response]]

_log = structlog.get_logger()

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z"
)
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    # Browsers heed it only where it came over TLS.
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
)
"""Of every answer that does not say otherwise. None lets another origin in (CORS)."""

_SECURED: Final = frozenset(name for name, _ in SECURITY_HEADERS)
_CLOSE: Final = (b"connection", b"close")


class EdgeMiddleware:
    """The outermost layer of an edge."""

    def __init__(self, app: ASGIApp, *, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._clock.monotonic_s()
        self._mark(scope)
        status = 0
        body = LongBody(scope, receive) if is_long(scope) else None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                _demand_acts(scope, message["status"])
                status = message["status"]
                message["headers"] = _with_ours(message["headers"], scope[REQUEST_ID])
                if body is not None and not body.is_over and _CLOSE not in message["headers"]:
                    message["headers"].append(_CLOSE)
            await send(message)

        try:
            demand_small_head(scope)
            await self._app(scope, receive if body is None else body.receive, send_with_headers)
        except Exception as error:
            if status:
                raise
            problem = problem_of(error)
            if problem.status == INTERNAL_SERVER_ERROR:
                _log.exception("request_failed", request_id=scope[REQUEST_ID])
            response = problem_response(problem, HTTPConnection(scope))
            await response(scope, receive, send_with_headers)
        finally:
            _latency(_route(scope), status).observe(self._clock.monotonic_s() - began_s)

    def _mark(self, scope: Scope) -> None:
        """Write request id, trace context and root path into the scope."""
        keep_headers(scope)
        [request_id, *_] = header_values(scope, b"request-id") or [b""]
        if _REQUEST_ID.match(request_id):
            scope[REQUEST_ID] = request_id.decode("ascii")
        else:
            scope[REQUEST_ID] = self._clock.random_id().hex
        [traceparent, *_] = header_values(scope, b"traceparent") or [b""]
        if _TRACEPARENT.match(traceparent):
            scope[TRACEPARENT] = traceparent.decode("ascii")
        if scope["path"].startswith(f"{VERSION_PREFIX}/"):
            # The same routes serve both spellings: Starlette matches what follows the root path.
            scope["root_path"] = VERSION_PREFIX


def direct_app(endpoint: Endpoint, guard: Guard, rule: Rule) -> ASGIApp:
    """A route and its guard as an application of its own, without the router and its layers."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        await guard.admit(request, rule)
        response = await endpoint(request)
        await response(scope, receive, send)

    return serve


def _with_ours(theirs: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    headers = list(theirs)
    names = {name for name, _ in headers}
    if _SECURED.isdisjoint(names):
        headers += SECURITY_HEADERS
    else:
        headers.extend(pair for pair in SECURITY_HEADERS if pair[0] not in names)
    headers.append((b"request-id", request_id.encode("ascii")))
    return headers


def _demand_acts(scope: Scope, status: int) -> None:
    """Defect before a success is told that staff had, and that was not written down."""
    if scope.get(ACTS_DUE) and status < BAD_REQUEST and scope.get(ACTS) != 1:
        raise Defect("an act of staff was not written down once")


def _route(scope: Scope) -> str:
    # The route's pattern, never the path: a label must hold no ids.
    return str(scope.get(DIRECT) or getattr(scope.get("route"), "path", "none"))


@cache
def _latency(route: str, status: int) -> Histogram:
    return metrics.HTTP_SECONDS.labels(route, status)
