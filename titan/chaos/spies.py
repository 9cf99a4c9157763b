"""What a proxy must understand of a protocol, to lose just the reply that matters.

Pure: bytes in, words out. A spy belongs to one connection and sees what passes in both directions.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol

PRODUCE: Final = 0
OFFSET_COMMIT: Final = 8
"""Kafka's numbers of requests."""

_COMMIT: Final = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
"""PostgreSQL's simple query COMMIT, as the driver sends it."""
_COMMITTED: Final = b"C\x00\x00\x00\x0bCOMMIT\x00"
_REQUEST_HEAD: Final = struct.Struct(">hhi")
_RESPONSE_HEAD: Final = struct.Struct(">i")


class Spy(Protocol):
    """Looks at one connection."""

    def asks(self, data: bytes) -> bool:
        """Whether the client just sent a request whose reply is worth losing."""
        ...

    def answers(self, data: bytes) -> bool:
        """Whether the server just sent the reply to the last such request."""
        ...


MakeSpy = Callable[[], Spy]


class Frames:
    """Finds the heads of length-prefixed frames in a stream, however it is cut into chunks."""

    def __init__(self, head_bytes: int) -> None:
        self._head_bytes = head_bytes
        self._buffer = b""
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The heads that this chunk completes."""
        data = self._buffer + data
        self._buffer = b""
        place = 0
        while True:
            passed = min(self._skip, len(data) - place)
            self._skip -= passed
            place += passed
            if len(data) - place < 4 + self._head_bytes:
                self._buffer = data[place:]
                return
            size = int.from_bytes(data[place : place + 4], "big")
            head_end = place + 4 + self._head_bytes
            yield data[place + 4 : head_end]
            self._skip = size - self._head_bytes
            place = head_end


class KafkaSpy:
    """Waits for one kind of request, and for the response with the same correlation id."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._requests = Frames(_REQUEST_HEAD.size)
        self._responses = Frames(_RESPONSE_HEAD.size)
        self._asked: int | None = None

    def asks(self, data: bytes) -> bool:
        """Whether a request of the wanted kind is among these."""
        found = False
        for head in self._requests.feed(data):
            kind, _version, correlation_id = _REQUEST_HEAD.unpack(head)
            if kind == self._wanted:
                self._asked, found = correlation_id, True
        return found

    def answers(self, data: bytes) -> bool:
        """Whether its response is among these."""
        ids = [_RESPONSE_HEAD.unpack(head)[0] for head in self._responses.feed(data)]
        return self._asked in ids


class PostgresSpy:
    """Waits for a COMMIT, and for the word that it was done."""

    def asks(self, data: bytes) -> bool:
        """Whether the client commits."""
        return _COMMIT in data

    def answers(self, data: bytes) -> bool:
        """Whether the server has committed."""
        return _COMMITTED in data


class AnySpy:
    """Every request is worth it, and whatever comes next is its reply."""

    def asks(self, _data: bytes) -> bool:
        """Always."""
        return True

    def answers(self, _data: bytes) -> bool:
        """Always."""
        return True


class PaymentSpy:
    """Waits for a payment that a client asks for, and for the edge's yes."""

    def asks(self, data: bytes) -> bool:
        """Whether the client asks for payments."""
        return data.startswith(b"POST /payments")

    def answers(self, data: bytes) -> bool:
        """Whether the edge has taken them."""
        return data.startswith((b"HTTP/1.1 202", b"HTTP/1.1 200"))
