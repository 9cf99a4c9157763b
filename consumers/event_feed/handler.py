"""Number each owner's events for the feed.

payment.* | handle.* | account.* | webhook.* -> (nothing)
"""

from collections.abc import Sequence
from typing import Any

from consumers.event_feed.decide import begun_on, take_in
from consumers.event_feed.ports import Feed
from runtime.unit import Unit
from schemas.event import Delivered


async def on_events(batch: Sequence[Delivered[Any]], unit: Unit, *, feed: Feed) -> list[None]:
    """Tell each event of the batch once, in the order of its payment or request.

    An event that was taken in before is known by its id; so repetition does no harm.
    """
    async with feed.subjects(unit, begun_on(batch)) as known:
        subjects, told = take_in(known, batch)
        await feed.tell(unit, subjects, told)
    return [None] * len(batch)
