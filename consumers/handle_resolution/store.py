"""The directory as handle resolution reads it: the projection's table, and the same in memory."""

from collections.abc import Collection, Mapping
from uuid import UUID

from consumers.handle_resolution.decide import Acceptance, Grant
from domain.directory import HandleEntry
from projections import payer_grants
from projections.directory import read_handles
from projections.payments import first_acceptances
from runtime.unit import MemoryUnit, PostgresUnit, Unit


class PostgresDirectory:
    """The table of the directory projection."""

    async def read(self, unit: Unit, handles: Collection[str]) -> Mapping[str, HandleEntry]:
        """One query for the batch."""
        assert isinstance(unit, PostgresUnit)
        return await read_handles(unit.connection, handles)


class MemoryDirectory:
    """Entries in memory; `put` is what the directory stage would have decided."""

    def __init__(self) -> None:
        self._entries: dict[str, HandleEntry] = {}

    def put(self, entry: HandleEntry) -> None:
        """Let a handle stand as this entry says."""
        self._entries[entry.handle] = entry

    async def read(self, unit: Unit, handles: Collection[str]) -> Mapping[str, HandleEntry]:
        """Those of the handles that were ever claimed."""
        assert isinstance(unit, MemoryUnit)
        return {handle: self._entries[handle] for handle in handles if handle in self._entries}


class PostgresAcceptances:
    """The table of the payments projection."""

    async def read(self, unit: Unit, payment_ids: Collection[UUID]) -> Mapping[UUID, Acceptance]:
        """One query for the batch."""
        assert isinstance(unit, PostgresUnit)
        rows = await first_acceptances(unit.connection, payment_ids)
        return {payment_id: Acceptance(*row) for payment_id, row in rows.items()}


class MemoryAcceptances:
    """Acceptances in memory; `put` is what the projection would have folded."""

    def __init__(self) -> None:
        self._acceptances: dict[UUID, Acceptance] = {}

    def put(self, payment_id: UUID, acceptance: Acceptance) -> None:
        """Let a payment be known."""
        self._acceptances[payment_id] = acceptance

    async def read(self, unit: Unit, payment_ids: Collection[UUID]) -> Mapping[UUID, Acceptance]:
        """Those of the payments that are known."""
        assert isinstance(unit, MemoryUnit)
        known = self._acceptances
        return {id_: known[id_] for id_ in payment_ids if id_ in known}


class PostgresGrants:
    """The table of what owners of handles have allowed."""

    async def read(self, unit: Unit, wanted: Collection[Grant]) -> frozenset[Grant]:
        """One query for the batch."""
        assert isinstance(unit, PostgresUnit)
        standing = await payer_grants.standing(unit.connection, wanted)
        return frozenset(Grant(*grant) for grant in standing)


class MemoryGrants:
    """Grants in memory; `put` is what an owner would have allowed."""

    def __init__(self) -> None:
        self._grants: set[Grant] = set()

    def put(self, grant: Grant) -> None:
        """Let a grant stand."""
        self._grants.add(grant)

    async def read(self, unit: Unit, wanted: Collection[Grant]) -> frozenset[Grant]:
        """Those of the wanted that stand."""
        assert isinstance(unit, MemoryUnit)
        return frozenset(grant for grant in wanted if grant in self._grants)
