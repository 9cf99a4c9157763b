"""The directory as handle resolution reads it: the projection's table, and the same in memory."""

from collections.abc import Collection, Mapping

from domain.directory import HandleEntry
from projections.directory import read_handles
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
