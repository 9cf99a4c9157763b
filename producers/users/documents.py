"""Documents: taken in, cleaned, sealed and kept; and opened again for a reviewer."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from domain.document import (
    DOCUMENTS_BYTES_MAX,
    DOCUMENTS_MAX,
    DocumentFault,
    DocumentKind,
    MediaType,
)
from domain.errors import Invalid
from producers.users import people
from producers.users.decide import Act, messages_of
from producers.users.edge import UsersEdge
from runtime.database import Connection
from runtime.documents.sealed_chunks import new_key, opened, seal
from runtime.http.idempotency import key_reused
from runtime.http.problem import ProblemError
from runtime.outbox import put
from runtime.vault import Binding, Forgotten
from schemas.kyc import KycDocumentStored

_BODY_COLUMN: Final = "kyc_documents.body"

_FAULTS: Final[dict[DocumentFault, str]] = {
    DocumentFault.EMPTY: "the document has no bytes",
    DocumentFault.WRONG_TYPE: "the document does not begin like the type it was sent as",
    DocumentFault.UNREADABLE: "the document cannot be read: it is broken or cut",
    DocumentFault.ENCRYPTED: "send the document without a password",
    DocumentFault.ACTIVE: "the document runs, opens or carries something: print it to a new PDF",
    DocumentFault.TOO_MANY_PIXELS: "the image has more than 40 million pixels, or a side too long",
    DocumentFault.TOO_MANY_PAGES: "the document has more than 50 pages",
    DocumentFault.TOO_COMPLEX: "the document takes too much time or memory to read",
}


class DocumentRow(NamedTuple):
    """A document that lies in the store, in the order of the table's columns."""

    document_id: UUID
    person_id: UUID
    blob_id: UUID
    """The name under which it lies: of this one try, so that a racing repeat spoils nothing."""
    kind: DocumentKind
    media_type: MediaType
    size_bytes: int
    body_index: str | None
    key_sealed: str | None
    """None once its person was forgotten: then nobody can open it."""
    stored_at: datetime


class Upload(NamedTuple):
    """A document as it came."""

    document_id: UUID
    kind: DocumentKind
    media_type: MediaType
    body: bytes


async def keep_document(
    edge: UsersEdge, act: Act, person_id: UUID, upload: Upload
) -> tuple[DocumentRow, bool]:
    """The document's row, and whether it was there before.

    It lies in the store before its row is written: a row promises a document, and one without a
    row cannot be opened by anybody, since its key is nowhere. Raises ProblemError 409 over the
    quota, 422 if it is not taken; Forgotten, Unavailable.
    """
    vault = edge.resources.vault
    body_index = vault.blind_index(_BODY_COLUMN, hashlib.sha256(upload.body).hexdigest())
    async with edge.resources.database.connection() as connection:
        known = await read_document(connection, upload.document_id)
        if known is not None:
            return _same(known, person_id, upload, body_index), True
        demand_room(await documents_of(connection, person_id), 0)
    cleaned = await edge.cleaner.clean(upload.body, upload.media_type)
    if isinstance(cleaned, DocumentFault):
        raise ProblemError(422, cleaned.value, _FAULTS[cleaned])
    key = new_key()
    [sealed_key] = await vault.seal_for(
        person_id, [(_key_binding(person_id, upload.document_id), key.hex())]
    )
    row = DocumentRow(
        upload.document_id,
        person_id,
        edge.resources.clock.random_id(),
        upload.kind,
        upload.media_type,
        len(cleaned),
        body_index,
        str(sealed_key),
        act.at,
    )
    sealed = seal(cleaned, key, owner=person_id, document_id=row.document_id)
    await edge.store.put(row.blob_id, await asyncio.to_thread(list, sealed))
    await _write(edge, act, row)
    return row, False


async def _write(edge: UsersEdge, act: Act, row: DocumentRow) -> None:
    try:
        async with edge.unit() as connection:
            await people.locked_person(connection, row.person_id, now=act.at)
            demand_room(await documents_of(connection, row.person_id), row.size_bytes)
            await connection.execute(_WRITE, *row)
            event = KycDocumentStored(
                request_id=act.act_id,
                requested_at=act.at,
                person_id=row.person_id,
                document_id=row.document_id,
                kind=row.kind,
                media_type=row.media_type,
                size_bytes=row.size_bytes,
            )
            await put(connection, messages_of(act, event))
    except (ProblemError, Forgotten):
        # Only where the row is certainly not there: a commit without an answer may have happened.
        await edge.store.delete(row.blob_id)
        raise


@asynccontextmanager
async def open_document(edge: UsersEdge, row: DocumentRow) -> AsyncIterator[AsyncIterator[bytes]]:
    """The document's chunks, in clear, each proven. Raises Forgotten, Invalid, Unavailable."""
    if row.key_sealed is None:
        raise Invalid("document_gone", "the document's key was destroyed")
    [key] = await edge.resources.vault.open_for(
        row.person_id, [(_key_binding(row.person_id, row.document_id), row.key_sealed)]
    )
    async with edge.store.open(row.blob_id) as pieces:
        yield opened(
            pieces, bytes.fromhex(str(key)), owner=row.person_id, document_id=row.document_id
        )


def demand_room(kept: Sequence[DocumentRow], size_bytes: int) -> None:
    """ProblemError 409 if one more document of this size is over the person's quota."""
    total_bytes = sum(row.size_bytes for row in kept) + size_bytes
    if len(kept) >= DOCUMENTS_MAX or total_bytes > DOCUMENTS_BYTES_MAX:
        raise ProblemError(
            409, "document_quota", f"we keep {DOCUMENTS_MAX} documents of a person at most, 60 MiB"
        )


async def read_document(connection: Connection, document_id: UUID) -> DocumentRow | None:
    """A document's row; whose it is, the caller has to ask."""
    return _row(await connection.fetchrow(f"{_READ} WHERE document_id = $1", document_id))


async def documents_of(connection: Connection, person_id: UUID) -> list[DocumentRow]:
    """All documents of a person, the oldest first."""
    rows = await connection.fetch(f"{_READ} WHERE person_id = $1 ORDER BY stored_at", person_id)
    return [found for row in rows if (found := _row(row)) is not None]


def _same(known: DocumentRow, person_id: UUID, upload: Upload, body_index: str) -> DocumentRow:
    kept = (known.person_id, known.kind, known.media_type, known.body_index)
    if kept != (person_id, upload.kind, upload.media_type, body_index):
        raise key_reused()
    return known


def _key_binding(person_id: UUID, document_id: UUID) -> Binding:
    return Binding("kyc_documents", "key", document_id, person_id)


def _row(row: asyncpg.Record | None) -> DocumentRow | None:
    if row is None:
        return None
    found = DocumentRow(*row)
    return found._replace(kind=DocumentKind(found.kind), media_type=MediaType(found.media_type))


_COLUMNS: Final = ", ".join(DocumentRow._fields)
_READ: Final = f"SELECT {_COLUMNS} FROM kyc_documents"  # noqa: S608 - own words only
_WRITE: Final = (
    f"INSERT INTO kyc_documents ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"  # noqa: S608 - own words only
)
