"""Plan what the endpoints of clients are told.

payment.* | handle.* | account.* | webhook.* -> (nothing)
"""

from collections.abc import Sequence
from typing import Any

from consumers.webhooks.decide import asked_in, owned, told_in, unowned
from consumers.webhooks.ports import Book
from runtime.unit import Unit
from schemas.event import Delivered


async def on_events(batch: Sequence[Delivered[Any]], unit: Unit, *, book: Book) -> list[None]:
    """Plan a batch; planning is a join, so events seen before or out of order do no harm.

    What is planned was committed by those who published it: an event is in the log only after the
    commit of its effect.
    """
    if await book.has_endpoints(unit):
        events = told_in(batch)
        await book.keep_owners(unit, asked_in(batch))
        owners = await book.owners(unit, unowned(events))
        await book.plan(unit, owned(events, owners))
    return [None] * len(batch)
