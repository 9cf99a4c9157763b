"""What the feed's stage needs from outside."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Protocol
from uuid import UUID

from consumers.event_feed.decide import Subject, Told
from runtime.unit import Unit


class Feed(Protocol):
    """The owners' feeds, and what is known of each payment and request."""

    def subjects(
        self, unit: Unit, begun: Mapping[UUID, date]
    ) -> AbstractAsyncContextManager[dict[UUID, Subject]]:
        """What is known of these subjects; nobody else changes it before the block ends.

        The block is one transaction.
        """
        ...

    async def tell(self, unit: Unit, subjects: Sequence[Subject], told: Sequence[Told]) -> None:
        """Within the block: keep these subjects, and append to the feeds in this order."""
        ...
