"""What planning of webhooks needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from projections.webhook_fold import ToldEvent
from runtime.unit import Unit


class Book(Protocol):
    """Who wants to be told, and what is planned."""

    async def has_endpoints(self, unit: Unit) -> bool:
        """Whether there is anybody to tell."""
        ...

    async def owners(self, unit: Unit, subjects: Collection[UUID]) -> Mapping[UUID, str]:
        """Whose these payments and requests are; one that is not known yet is absent."""
        ...

    async def keep_owners(self, unit: Unit, owners: Mapping[UUID, tuple[str, datetime]]) -> None:
        """Remember whose these requests are, and since when."""
        ...

    async def plan(self, unit: Unit, events: Sequence[ToldEvent]) -> None:
        """Keep events, and plan a delivery for each endpoint that wants one; twice is once."""
        ...
