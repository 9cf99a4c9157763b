"""What the planning of notifications needs from outside."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from consumers.notifications.decide import Parties
from domain.notification_plan import Known, News, Plan
from runtime.unit import Unit


class Holders(Protocol):
    """Whose accounts and handles are."""

    async def read(
        self, unit: Unit, account_ids: Collection[UUID], handles: Collection[str]
    ) -> Parties:
        """The holders of these wallets, and of those that these handles name."""
        ...


class Notices(Protocol):
    """Who is told what."""

    async def lock(self, unit: Unit, news: Sequence[News]) -> Known:
        """What stands about those who are told; nobody else plans for them until the unit ends."""
        ...

    async def write(self, unit: Unit, plan: Plan) -> None:
        """Write a plan that was made from what `lock` gave, and tell those who wait for it."""
        ...
