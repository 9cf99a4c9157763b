"""Where sealed documents lie: the port, and what a folder and a bucket have in common.

A document is written once, whole, under a random name that says nothing, and never changed. The
store sees ciphertext only and guards nothing by itself: who may read is decided at the edge.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol
from uuid import UUID

PIECE_BYTES: Final = 64 * 1024
"""A stored document is read in pieces of at most so many bytes."""


class DocumentStore(Protocol):
    """Sealed documents by id."""

    async def put(self, document_id: UUID, sealed: Iterable[bytes]) -> None:
        """Keep a document; when it returns, it is there whole, and until then not at all.

        The same id again replaces it: whoever repeats an upload may have died between the two.
        Raises Unavailable if the store does not answer.
        """
        ...

    def open(self, document_id: UUID) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The pieces of a document, in order. Raises Unavailable; Invalid if it is not there."""
        ...

    async def delete(self, document_id: UUID) -> None:
        """Remove a document; one that is not there is no error. Raises Unavailable."""
        ...

    async def ping(self) -> None:
        """Unavailable if the store does not answer."""
        ...


def name_of(document_id: UUID) -> str:
    """The name under which a document lies, two letters deep: a folder stays small."""
    return f"{document_id.hex[:2]}/{document_id.hex}"
