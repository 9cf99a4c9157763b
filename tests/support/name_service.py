"""The machine's name service, as a test wants it: some names are never answered, others at once."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

SILENT = ".silent.example"
"""The end of names whose servers say nothing."""

GIVES_UP_S = 20.0
"""What the machine waits for a silent server: longer than anybody here does."""

Entries = list[tuple[Any, ...]]


class NameService:
    """Stands where the C library's does. Names in `addresses` have these, the rest real ones."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.questions: Counter[str] = Counter()
        self.speaks = threading.Event()
        self._ask_machine = socket.getaddrinfo

    def getaddrinfo(self, host: str, *arguments: Any, **named: Any) -> Entries:
        """As `socket.getaddrinfo`."""
        self.questions[host] += 1
        if host.endswith(SILENT) and not self.speaks.wait(GIVES_UP_S):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if host in self.addresses:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.addresses[host], 0))]
        if host.endswith(SILENT):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found: Entries = self._ask_machine(host, *arguments, **named)
        return found


@contextmanager
def name_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameService]:
    """In the place of the machine's own, for the block; then whoever waits is answered."""
    service = NameService()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", service.getaddrinfo)
        try:
            yield service
        finally:
            service.speaks.set()
