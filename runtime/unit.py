"""The unit of work: what one batch writes commits together, or not at all."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from runtime.crash_points import Point, crash_point, crash_point_in_flight
from runtime.database import Connection, Database


class Participant(Protocol):
    """State in memory that takes part in a unit and can be put back."""

    def snapshot(self) -> object:
        """A copy that later writes do not change."""
        ...

    def restore(self, snapshot: object) -> None:
        """Put the state back to a snapshot."""
        ...


class PostgresUnit:
    """One transaction on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


class MemoryUnit:
    """The same promise for state in memory: participants are restored if the unit fails."""

    def __init__(self) -> None:
        self._snapshots: dict[int, tuple[Participant, object]] = {}

    def enlist(self, participant: Participant) -> None:
        """Take part: called before the first write; later calls change nothing."""
        if id(participant) not in self._snapshots:
            self._snapshots[id(participant)] = (participant, participant.snapshot())

    def roll_back(self) -> None:
        """Put every participant back to where it was when it enlisted."""
        for participant, snapshot in self._snapshots.values():
            participant.restore(snapshot)


Unit = PostgresUnit | MemoryUnit


class Units(Protocol):
    """Begins units: commits when the block ends, rolls back when it raises."""

    def begin(self) -> AbstractAsyncContextManager[Unit]:
        """One unit. Raises Unavailable when the store is down, also when COMMIT got no answer."""
        ...

    def plain(self) -> AbstractAsyncContextManager[Unit]:
        """A unit whose statements commit each on its own: for what may be done again in parts."""
        ...


class PostgresUnits:
    """Units on a pool of PostgreSQL connections. `room` names them where a test orders crashes."""

    def __init__(self, database: Database, *, room: str = "") -> None:
        self._database = database
        self._room = room

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresUnit]:
        """One READ COMMITTED transaction.

        A connection lost during COMMIT is Unavailable as well: the next try reads the inbox and
        so learns whether the commit took effect.
        """
        async with self._database.connection() as connection:
            async with connection.transaction():
                yield PostgresUnit(connection)
                crash_point(self._room, Point.COMMIT_BEFORE)
                crash_point_in_flight(self._room, Point.COMMIT_SENT)
            crash_point(self._room, Point.COMMIT_ACKED)

    @asynccontextmanager
    async def plain(self) -> AsyncIterator[PostgresUnit]:
        """A connection without a transaction: two round trips less.

        It has committed what it did by its end; a test may order the same crashes there.
        """
        async with self._database.connection() as connection:
            yield PostgresUnit(connection)
            crash_point(self._room, Point.COMMIT_BEFORE)
            crash_point_in_flight(self._room, Point.COMMIT_SENT)
        crash_point(self._room, Point.COMMIT_ACKED)


class MemoryUnits:
    """Units over state in memory."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryUnit]:
        """One unit."""
        unit = MemoryUnit()
        try:
            yield unit
        except BaseException:
            unit.roll_back()
            raise

    @asynccontextmanager
    async def plain(self) -> AsyncIterator[MemoryUnit]:
        """What was written before a failure stays."""
        yield MemoryUnit()
