"""What account opening needs from outside besides the ledger, which has a door of its own."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from consumers.account_opening.decide import AccountProperties
from runtime.unit import Unit
from schemas.account import AccountOpened


class Accounts(Protocol):
    """The accounts that stand, within a unit."""

    async def read(
        self, unit: Unit, account_ids: Collection[UUID]
    ) -> Mapping[UUID, AccountProperties]:
        """The properties of these accounts; one that is not open is absent."""
        ...

    async def add(self, unit: Unit, opened: Sequence[AccountOpened]) -> None:
        """Add accounts that were read as absent.

        Raises Unavailable if another unit added one meanwhile.
        """
        ...
