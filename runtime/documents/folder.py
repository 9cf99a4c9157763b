"""Documents in a local folder: for one machine. Only the owner of the process reads it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

from domain.errors import Invalid, Unavailable
from runtime.documents.store import PIECE_BYTES, name_of

_PRIVATE: Final = 0o700


class FolderStore:
    """A file a document, written beside its place and moved into it once it is on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, document_id: UUID, sealed: Iterable[bytes]) -> None:
        """Keep a document."""
        with _down():
            await asyncio.to_thread(self._put, document_id, sealed)

    @asynccontextmanager
    async def open(self, document_id: UUID) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of a document, in order."""
        with _down():
            try:
                descriptor = await asyncio.to_thread(os.open, self._path(document_id), os.O_RDONLY)
            except FileNotFoundError:
                raise Invalid("document_gone", "the document is not in the store") from None
        try:
            yield _pieces(descriptor)
        finally:
            os.close(descriptor)

    async def delete(self, document_id: UUID) -> None:
        """Remove a document."""
        with _down():
            await asyncio.to_thread(self._path(document_id).unlink, missing_ok=True)

    async def ping(self) -> None:
        """Unavailable if the folder cannot be made or written."""
        with _down():
            await asyncio.to_thread(self._demand)

    def _path(self, document_id: UUID) -> Path:
        return self._folder / name_of(document_id)

    def _demand(self) -> None:
        self._folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise PermissionError

    def _put(self, document_id: UUID, sealed: Iterable[bytes]) -> None:
        self._demand()
        path = self._path(document_id)
        path.parent.mkdir(mode=_PRIVATE, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(sealed)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


async def _pieces(descriptor: int) -> AsyncIterator[bytes]:
    with _down():
        while piece := await asyncio.to_thread(os.read, descriptor, PIECE_BYTES):
            yield piece


@contextlib.contextmanager
def _down() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"document folder: {type(error).__name__}") from error
