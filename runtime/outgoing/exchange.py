"""One HTTP/1.1 connection: a request, and as much of its answer as is of use."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httptools

from runtime.outgoing import limits
from runtime.outgoing.failure import Cause, OutgoingFailure

Headers = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Answer:
    """An answer as it comes in. `headers` by lower-case name."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False
    is_cut: bool = False
    keeps_open: bool = False


class Exchange(asyncio.Protocol):
    """A connection on which one request at a time is made."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.is_usable = True
        self._parser: httptools.HttpResponseParser | None = None
        self._answer = Answer()
        self._bytes = 0
        self._has_head = False
        self._progress = asyncio.Event()
        self._failure: Cause | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # Not asserted: uvloop's transports are none of asyncio's classes.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Called by the loop."""
        self.is_usable = False
        if not self._answer.is_whole:
            # Without a length, the end of the connection is the end of the body.
            if self._has_head and not self._is_framed():
                self._answer.is_whole = True
            else:
                self._failure = self._failure or Cause.UNREACHABLE
        self._progress.set()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._parser is None:
            # Nobody has asked for anything: whatever it is, it is no answer.
            self.close()
            return
        self._bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(Cause.NOT_HTTP)
            return
        bytes_max = limits.ANSWER_BYTES_MAX if self._has_head else limits.REPLY_HEAD_BYTES_MAX
        if not self._answer.is_whole and self._bytes > bytes_max:
            # A body is cut, but what frames one may be without end: chunks, their extensions, and
            # trailers, of which the parser holds each until it has all of it.
            self._fail(Cause.NOT_HTTP)
        self._progress.set()

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer; OutgoingFailure if none comes.

        Cancelling it closes the connection. Reads READ_S_MAX at most without a byte.
        """
        assert self.transport is not None
        self._answer = Answer()
        self._has_head, self._bytes, self._failure = False, 0, None
        self._parser = httptools.HttpResponseParser(self)
        try:
            self.transport.write(request)
            while not self._answer.is_whole:
                self._progress.clear()
                if self._failure is not None:
                    raise OutgoingFailure(self._failure)
                async with asyncio.timeout(limits.READ_S_MAX):
                    await self._progress.wait()
        except BaseException:
            self.close()
            raise
        finally:
            self._parser = None
        if not self._answer.keeps_open or self._answer.is_cut:
            self.close()
        return self._answer

    def close(self) -> None:
        """End the connection at once."""
        self.is_usable = False
        if self.transport is not None:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser; for trailers too, which nobody has asked for."""
        if not self._has_head:
            self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status >= 200:  # noqa: PLR2004 - below are answers before the answer
            self._answer.status = status
            self._answer.keeps_open = self._parser.should_keep_alive()
            self._has_head = True

    def on_body(self, chunk: bytes) -> None:
        """Called by the parser."""
        room = limits.REPLY_BYTES_MAX - len(self._answer.body)
        self._answer.body += chunk[:room]
        if len(chunk) > room:
            # The rest is not read: the status is known, and that is what counts.
            self._answer.is_cut = self._answer.is_whole = True

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._has_head:
            self._answer.is_whole = True
        else:
            self._answer.headers.clear()

    def _is_framed(self) -> bool:
        headers = self._answer.headers
        return "content-length" in headers or "transfer-encoding" in headers

    def _fail(self, cause: Cause) -> None:
        self._failure = cause
        self._progress.set()


def request_bytes(method: str, path: str, authority: str, headers: Headers, body: bytes) -> bytes:
    """A request as it travels. Paths and headers hold no line breaks: ValueError if one does."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {authority}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"content-length: {len(body)}", "", ""]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a request's head")
    return "\r\n".join(lines).encode("latin-1") + body
