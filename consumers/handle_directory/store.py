"""The directory behind its port: the projections' tables, and the same in memory."""

from collections.abc import Sequence
from uuid import UUID

from consumers.handle_directory.decide import AccountFacts, Facts, Outcome, Request
from domain.directory import HandleEntry
from projections import accounts, directory
from runtime.unit import MemoryUnit, PostgresUnit, Unit
from schemas.handle import HandleReleaseRequested


class PostgresDirectory:
    """The tables of the directory projection; accounts come from theirs."""

    async def read(self, unit: Unit, requests: Sequence[Request]) -> Facts:
        """Three queries for the batch."""
        assert isinstance(unit, PostgresUnit)
        connection = unit.connection
        profiles = await accounts.read_accounts(connection, _account_ids(requests))
        handles = await directory.lock_handles(connection, {r.handle for r in requests})
        decided = await directory.read_changes(connection, {r.request_id for r in requests})
        return Facts(
            handles=handles,
            accounts={
                account_id: AccountFacts(profile.client_id, profile.currency)
                for account_id, profile in profiles.items()
            },
            decided=decided.keys(),
        )

    async def write(self, unit: Unit, facts: Facts, outcomes: Sequence[Outcome]) -> None:
        """At most four statements for the batch."""
        assert isinstance(unit, PostgresUnit)
        if outcomes:
            await directory.write_decided(unit.connection, before=facts.handles, facts=outcomes)


class MemoryDirectory:
    """Handles in memory; accounts are made known by `open`."""

    def __init__(self) -> None:
        self._accounts: dict[UUID, AccountFacts] = {}
        self._handles: dict[str, HandleEntry] = {}
        self._decided: frozenset[UUID] = frozenset()

    def open(self, account_id: UUID, facts: AccountFacts) -> None:
        """Make an account known, as the accounts projection would."""
        self._accounts[account_id] = facts

    def entry(self, handle: str) -> HandleEntry | None:
        """The handle as it stands."""
        return self._handles.get(handle)

    def snapshot(self) -> object:
        """A copy of all handles."""
        return dict(self._handles), self._decided

    def restore(self, snapshot: object) -> None:
        """Put a copy back."""
        assert isinstance(snapshot, tuple)
        self._handles, self._decided = dict(snapshot[0]), snapshot[1]

    async def read(self, unit: Unit, requests: Sequence[Request]) -> Facts:
        """What stands of all that these requests name."""
        assert isinstance(unit, MemoryUnit)
        handles = {request.handle for request in requests}
        account_ids = _account_ids(requests)
        return Facts(
            handles={name: entry for name, entry in self._handles.items() if name in handles},
            accounts={id_: facts for id_, facts in self._accounts.items() if id_ in account_ids},
            decided=self._decided & {request.request_id for request in requests},
        )

    async def write(self, unit: Unit, facts: Facts, outcomes: Sequence[Outcome]) -> None:
        """Fold the outcomes, as the tables do."""
        assert isinstance(unit, MemoryUnit)
        unit.enlist(self)
        self._handles.update(directory.fold_all(facts.handles, outcomes))
        self._decided |= {outcome.request_id for outcome in outcomes}


def _account_ids(requests: Sequence[Request]) -> set[UUID]:
    return {
        request.account_id
        for request in requests
        if not isinstance(request, HandleReleaseRequested)
    }
