"""Counts what leaves this process: every connect and every datagram, told by the interpreter."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
