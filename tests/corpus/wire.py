"""HTTP/1.1 by hand, byte for byte: no client library would send what is sent here."""

import selectors
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from itertools import chain, count
from random import SystemRandom
from typing import Any, Final

from tests.support.asgi import Answer

ANSWER_S_MAX: Final = 15.0
"""An edge gives up on a request before that."""

_BOTH: Final = selectors.EVENT_READ | selectors.EVENT_WRITE
_SOURCES: Final = count(SystemRandom().randrange(2**24))
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Sent:
    """A request as its bytes."""

    head: bytes
    body: Iterable[bytes]


def own_source() -> str:
    """An address of this machine that nothing was sent from yet."""
    number = next(_SOURCES)
    return f"127.{1 + number // 2**16 % 250}.{number // 2**8 % 2**8}.{1 + number % 2**8 % 254}"


def exchange(address: tuple[str, int], sent: Sent, *, source: str = "127.0.0.1") -> Answer:
    """Send it on a connection of its own and read until the server hangs up.

    Stops sending as soon as the server answers: who refuses a body does not read it.
    """
    pieces = chain([sent.head], sent.body)
    with socket.create_connection(
        address, timeout=ANSWER_S_MAX, source_address=(source, 0)
    ) as connection:
        received = _talk(connection, pieces)
    return _parsed(received, method=sent.head.split(b" ", 1)[0].decode("latin-1"))


def _talk(connection: socket.socket, pieces: Iterator[bytes]) -> bytes:
    connection.setblocking(False)
    received, waiting = bytearray(), next(pieces)
    with selectors.DefaultSelector() as selector:
        selector.register(connection, _BOTH)
        while True:
            ready = selector.select(ANSWER_S_MAX)
            assert ready, f"no answer within {ANSWER_S_MAX} s; so far {bytes(received)!r}"
            if ready[0][1] & selectors.EVENT_READ:
                piece = _received(connection)
                if not piece:
                    return bytes(received)
                received += piece
                selector.modify(connection, selectors.EVENT_READ)
            else:
                waiting = _unsent(connection, waiting) or next(pieces, b"")
                if not waiting:
                    selector.modify(connection, selectors.EVENT_READ)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_PIECE_BYTES)
    except ConnectionResetError:
        return b""


def _unsent(connection: socket.socket, piece: bytes) -> bytes:
    try:
        return piece[connection.send(piece) :]
    except (BrokenPipeError, ConnectionResetError):
        # The server has hung up: what it said before is still to be read.
        return b""


class _Received(BytesIO):
    """What HTTPResponse takes for a socket."""

    def makefile(self, *_: Any, **__: Any) -> "_Received":
        return self


def _parsed(received: bytes, *, method: str) -> Answer:
    assert received, "the server hung up without an answer"
    # HTTPResponse wants a socket and takes no more of it than makefile.
    response = HTTPResponse(_Received(received), method=method)  # type: ignore[arg-type]
    response.begin()
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    if not body:
        # An answer to HEAD has the type of the body that it leaves out.
        headers.pop("content-type", None)
    return Answer(response.status, headers, body)
