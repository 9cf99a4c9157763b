"""Sending codes: the port, and the demo's folder that stands in for mail and telephone."""

import asyncio
import os
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from domain.errors import Unavailable
from schemas.person import ContactKind

FOLDER: Final = "codes"
"""Under the data directory."""


class CodeSender(Protocol):
    """Brings a code to an address. Never logs either."""

    async def send(self, person_id: UUID, kind: ContactKind, address: str, code: str) -> None:
        """Hand the code over. Raises Unavailable if it certainly was not."""
        ...


class FolderSender:
    """Writes each code into a file of its own, for whoever sits at this machine.

    Not into the log: logs are shipped, kept and read by others. The file has the code and no
    address, so that nothing here ties one to a person; it is readable by its owner only, and the
    next code to the same contact replaces it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, person_id: UUID, kind: ContactKind, address: str, code: str) -> None:
        """Write `<person>.<kind>.txt`; the address is what it is not written for."""
        del address
        try:
            await asyncio.to_thread(self._write, f"{person_id}.{kind}.txt", code)
        except OSError as error:
            raise Unavailable(f"folder of codes: {type(error).__name__}") from error

    def _write(self, name: str, code: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / name
        fresh = path.with_name(f"{name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{code}\n")
        fresh.replace(path)


class NoSender:
    """There is nobody to send codes: outside the demo until notifications have a room."""

    async def send(self, person_id: UUID, kind: ContactKind, address: str, code: str) -> None:
        """Unavailable."""
        del person_id, kind, address, code
        raise Unavailable("nothing sends codes here")
