"""Links to documents: for one reviewer, one document and one minute; and the answer behind them."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from starlette.responses import Response, StreamingResponse

from domain.document import SUFFIXES
from domain.errors import Invalid
from producers.users.documents import DocumentRow
from runtime.documents import limits
from runtime.vault import Vault

LINK_CHARACTERS_MAX: Final = 512
ANY_DOCUMENT: Final = "application/octet-stream"

_PURPOSE: Final = "kyc document link"


def link_of(
    vault: Vault, document_id: UUID, *, reviewer: str, now: datetime
) -> tuple[str, datetime]:
    """What only this reviewer can show for this document, and until when."""
    expires_at = now + timedelta(seconds=limits.LINK_S)
    text = json.dumps([str(document_id), reviewer, expires_at.isoformat()])
    return vault.seal(text, _PURPOSE).rstrip("="), expires_at


def is_good(vault: Vault, link: str, document_id: UUID, *, reviewer: str, now: datetime) -> bool:
    """Whether the link is ours, of this document and reviewer, and not too old."""
    try:
        text = vault.open(link + "=" * (-len(link) % 4), _PURPOSE)
    except Invalid:
        return False
    named, whose, expires_at = json.loads(text)
    is_theirs: bool = (named, whose) == (str(document_id), reviewer)
    return is_theirs and now < datetime.fromisoformat(expires_at)


async def attachment(
    row: DocumentRow, opening: AbstractAsyncContextManager[AsyncIterator[bytes]]
) -> Response:
    """The document to be saved, never shown. Raises what `opening` does, before anything is sent.

    The first chunk is proven before the answer begins. One that does not open later on breaks the
    connection off, short of the length that was promised.
    """
    stack = AsyncExitStack()
    try:
        chunks = await stack.enter_async_context(opening)
        first = await anext(chunks)
    except BaseException:
        await stack.aclose()
        raise

    async def whole() -> AsyncIterator[bytes]:
        async with stack:
            yield first
            async for chunk in chunks:
                yield chunk

    name = f"{row.kind}-{row.document_id}.{SUFFIXES[row.media_type]}"
    return StreamingResponse(
        whole(),
        media_type=row.media_type,
        headers={
            "Content-Length": str(row.size_bytes),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )
