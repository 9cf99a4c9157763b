"""What risk screening needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from consumers.risk_screening.decide import PayerState
from runtime.unit import Unit
from schemas.person import PersonTierChanged


class Payers(Protocol):
    """What payers have sent, kept within the unit."""

    async def read(self, unit: Unit, account_ids: Collection[UUID]) -> dict[UUID, PayerState]:
        """The state of each payer, locked until the unit ends; an unknown account is absent."""
        ...

    async def write(self, unit: Unit, states: Mapping[UUID, PayerState]) -> None:
        """Keep the states of these payers."""
        ...

    async def keep_tiers(self, unit: Unit, changes: Sequence[PersonTierChanged]) -> None:
        """Let the highest version of each person's tier stand, in whatever order they come."""
        ...
