"""Counts what leaves this process: every connect and every datagram, told by the interpreter.

What uvloop sends it sends past the interpreter; it is counted where uvloop is asked to.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

_SENDING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_LISTENERS: list[list[str]] = []


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if _LISTENERS and event in _SENDING:
        for listener in _LISTENERS:
            listener.append(str(arguments[1]))


sys.addaudithook(_on_event)


@contextmanager
def departures() -> Iterator[list[str]]:
    """The addresses that something is sent to within the block."""
    seen: list[str] = []
    _LISTENERS.append(seen)
    try:
        yield seen
    finally:
        _LISTENERS.remove(seen)


class CountingLoop(uvloop.Loop):
    """The loop that the house's processes run on, and what it was asked to send to."""

    def __init__(self) -> None:
        super().__init__()
        self.departures: list[str] = []

    async def create_connection(self, *arguments: Any, **named: Any) -> Any:
        self.departures.append(str(arguments[1:] or named))
        return await super().create_connection(*arguments, **named)

    async def create_datagram_endpoint(self, *arguments: Any, **named: Any) -> Any:
        self.departures.append(str(named))
        return await super().create_datagram_endpoint(*arguments, **named)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        self.departures.append(str(address))
        await super().sock_connect(sock, address)

    async def getaddrinfo(self, *arguments: Any, **named: Any) -> Any:
        self.departures.append(str(arguments))
        return await super().getaddrinfo(*arguments, **named)
