"""Accounts behind their port: the projection's table, and the same in memory."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from consumers.account_opening.decide import AccountProperties, properties_of
from projections import accounts
from runtime.unit import MemoryUnit, PostgresUnit, Unit
from schemas.account import AccountOpened


class PostgresAccounts:
    """The table of the accounts projection."""

    async def read(
        self, unit: Unit, account_ids: Collection[UUID]
    ) -> Mapping[UUID, AccountProperties]:
        """One query for the batch."""
        assert isinstance(unit, PostgresUnit)
        profiles = await accounts.read_accounts(unit.connection, account_ids)
        return {
            account_id: AccountProperties(
                profile.client_id, profile.kind, profile.tier, profile.currency
            )
            for account_id, profile in profiles.items()
        }

    async def add(self, unit: Unit, opened: Sequence[AccountOpened]) -> None:
        """One statement for the batch."""
        assert isinstance(unit, PostgresUnit)
        if opened:
            profiles = [accounts.fold(None, event) for event in opened]
            await accounts.write_opened(unit.connection, profiles)


class MemoryAccounts:
    """Accounts in memory."""

    def __init__(self) -> None:
        self._accounts: dict[UUID, AccountProperties] = {}

    def snapshot(self) -> object:
        """A copy of all accounts."""
        return dict(self._accounts)

    def restore(self, snapshot: object) -> None:
        """Put a copy back."""
        assert isinstance(snapshot, dict)
        self._accounts = dict(snapshot)

    async def read(
        self, unit: Unit, account_ids: Collection[UUID]
    ) -> Mapping[UUID, AccountProperties]:
        """Those of the accounts that are open."""
        assert isinstance(unit, MemoryUnit)
        return {id_: self._accounts[id_] for id_ in account_ids if id_ in self._accounts}

    async def add(self, unit: Unit, opened: Sequence[AccountOpened]) -> None:
        """Add these accounts."""
        assert isinstance(unit, MemoryUnit)
        unit.enlist(self)
        self._accounts.update({event.account_id: properties_of(event) for event in opened})
