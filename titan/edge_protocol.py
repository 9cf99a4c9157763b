"""HTTP/1.1 as the edges speak it: uvicorn's own, with bounds on a request's head.

The parser underneath knows no bound: a client may send headers without an end, or a byte an hour.
What it cannot understand is answered as a problem, like everything else.
"""

import asyncio
from typing import Any, Final

from starlette.requests import HTTPConnection
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.clock import SystemClock
from runtime.http.head import HEAD_BYTES_MAX, HEAD_S_MAX, headers_too_large
from runtime.http.middleware import SECURITY_HEADERS
from runtime.http.problem import ProblemError, problem_response
from runtime.http.scope import REQUEST_ID

_CLOCK: Final = SystemClock()
_CLOSE: Final = {"Connection": "close"}
_STATUS_LINES: Final = {
    400: b"HTTP/1.1 400 Bad Request",
    408: b"HTTP/1.1 408 Request Timeout",
    431: b"HTTP/1.1 431 Request Header Fields Too Large",
}


class BoundedProtocol(HttpToolsProtocol):
    """One connection of an edge."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what belongs to a head is counted until the head is whole."""
        super().data_received(data)
        if self._head_due is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(headers_too_large())

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self._head_due is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        """A part of its target, which is as bounded as all of the head, however it arrives."""
        super().on_url(url)
        if len(self.url) > HEAD_BYTES_MAX:
            self._refuse(headers_too_large())
            raise ValueError  # whatever is raised ends the parsing

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._forget_head()
        super().on_headers_complete()

    def send_400_response(self, *_words: str) -> None:
        """What is no HTTP; the parser's words stay in the log."""
        self._refuse(_malformed())

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_due = self.loop.call_later(HEAD_S_MAX, self._refuse, _too_slow())

    def _forget_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _refuse(self, problem: ProblemError) -> None:
        self._forget_head()
        if self.transport.is_closing():
            return
        request_id = _CLOCK.random_id().hex
        scope = {"type": "http", "headers": [], REQUEST_ID: request_id}
        response = problem_response(problem, HTTPConnection(scope))
        headers = [*response.raw_headers, *SECURITY_HEADERS]
        headers.append((b"request-id", request_id.encode("ascii")))
        lines = [_STATUS_LINES[problem.status], *(b": ".join(pair) for pair in headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()


def _malformed() -> ProblemError:
    detail = "this is not a request of HTTP/1.1"
    return ProblemError(400, "malformed_request", detail, headers=_CLOSE)


def _too_slow() -> ProblemError:
    return ProblemError(408, "request_timeout", "the request took too long", headers=_CLOSE)
