"""Number each owner's events for the feed.

payment.* | handle.* | account.* | webhook.* -> (nothing)
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from consumers.event_feed.decide import begun_on, take_in
from consumers.event_feed.ports import Feed
from runtime.unit import Unit
from schemas.event import Delivered


async def on_events(batch: Sequence[Delivered[Any]], unit: Unit, *, feed: Feed) -> list[None]:
    """Tell each event of the batch once, in the order of its payment or request.

    An event that was taken in before is known by its id; so repetition does no harm.
    """
    await feed.change(unit, begun_on(batch), partial(take_in, batch=batch))
    return [None] * len(batch)
