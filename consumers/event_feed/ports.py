"""What the feed's stage needs from outside."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

from consumers.event_feed.decide import Subject, Told
from runtime.unit import Unit

Decide = Callable[[Mapping[UUID, Subject]], tuple[Sequence[Subject], Sequence[Told]]]
"""Given what is known of the subjects: those that change, and what is appended, in this order."""


class Feed(Protocol):
    """The owners' feeds, and what is known of each payment and request."""

    async def change(self, unit: Unit, begun: Mapping[UUID, date], decide: Decide) -> None:
        """Change these subjects and append to the feeds, in one transaction.

        Nobody else changes the subjects between what `decide` was given and the commit; it is
        asked again if somebody else has begun one of them meanwhile.
        """
        ...
