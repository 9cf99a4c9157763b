"""A database server around the house's memory ports: sessions, locks, commits, lost answers.

The ports are the tables, and they outlive every process. A session locks a table before it writes
to it and keeps the lock until it ends (coarser than PostgreSQL's row locks, and as correct);
others go on reading what was committed before. A session whose client died is rolled back; one
whose client stands still is ended after a while, as PostgreSQL does with idle transactions.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from domain.errors import Unavailable
from runtime import limits
from runtime.unit import MemoryUnit, Participant, Unit
from tests.simulation.loop import Process, running
from tests.simulation.nature import Nature

_NOTICES_S_MAX = 0.5


@dataclass
class _Lock:
    owner: "Session"
    waiting: deque[tuple["Session", asyncio.Future[None]]] = field(default_factory=deque)


class Session(MemoryUnit):
    """One transaction: the unit of work of one client, as the server sees it."""

    def __init__(self, server: "Server", client: Process, nature: Nature) -> None:
        super().__init__()
        self.client = client
        self.is_open = True
        self._server = server
        self._nature = nature
        self._read: set[int] = set()

    async def asks(self, *tables: Participant) -> None:
        """Send a statement to the server, where it waits for the tables that it locks."""
        await self._nature.travel()
        self._demand_open()
        self._may_be_cut()
        for table in tables:
            await self._server.lock(table, self)
            self._demand_open()

    async def hears(self) -> None:
        """Get the statement's answer."""
        await self._nature.travel()
        self._demand_open()
        self._may_be_cut()

    def enlist(self, participant: Participant) -> None:
        """Write to a table, which is locked by now."""
        assert self._server.owner_of(participant) is self, "a table is written without its lock"
        super().enlist(participant)

    @contextmanager
    def committed(self, table: Participant) -> Iterator[None]:
        """Let the block, which must not wait, read a table without what others have not committed.

        What this session itself wrote is read as well.
        """
        owner = self._server.owner_of(table)
        before = None if owner is None or owner is self else owner.before(table)
        if before is None:
            yield
            return
        dirty = table.snapshot()
        table.restore(before)
        try:
            yield
        finally:
            table.restore(dirty)

    def before(self, table: Participant) -> object | None:
        """The table as it was before this session wrote to it; None if it did not."""
        found = self._snapshots.get(id(table))
        return None if found is None else found[1]

    def note_read(self, table: Participant) -> None:
        """This table was read."""
        self._read.add(id(table))

    def has_read(self, table: Participant) -> bool:
        """Whether this session read the table."""
        return id(table) in self._read

    def wrote(self, table: Participant) -> bool:
        """Whether this session changed the table."""
        return id(table) in self._snapshots

    async def commit(self) -> None:
        """Ask for the commit; Unavailable says nothing of whether it took effect."""
        weather, trace = self._nature.weather, self._nature.trace
        await self._nature.travel()
        self._demand_open()
        if self._nature.happens(weather.commit_is_lost):
            self.end()
            raise Unavailable("the connection was lost before the commit")
        self._server.commit(self)
        await self._nature.travel()
        if self._nature.happens(weather.commit_answer_is_lost):
            trace.sometimes("a commit took effect and its answer was lost")
            raise Unavailable("the connection was lost during the commit")

    def end(self) -> None:
        """Roll back, if it has not ended yet, and give the tables free."""
        if self.is_open:
            self.is_open = False
            self.roll_back()
            self._server.release(self)

    def _may_be_cut(self) -> None:
        if self._nature.happens(self._nature.weather.statement_fails):
            self.end()
            raise Unavailable("the connection was lost")

    def _demand_open(self) -> None:
        if not self.is_open:
            raise Unavailable("the server has ended this session")


class Server:
    """The database: its tables' locks and its sessions. `begin` makes it the house's Units."""

    def __init__(self, nature: Nature) -> None:
        self.is_down = False
        self.process = nature.loop.process("database")
        self.on_commit: list[Callable[[Session], None]] = []
        self._nature = nature
        self._sessions: list[Session] = []
        self._locks: dict[int, _Lock] = {}

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Session]:
        """One transaction; Unavailable when the server is down or the commit got no answer."""
        await self._nature.travel()
        if self.is_down:
            raise Unavailable("the database is down")
        session = Session(self, running(), self._nature)
        self._sessions.append(session)
        running().doing = "a transaction"
        try:
            yield session
            await session.commit()
        except BaseException:
            session.end()
            raise

    def plain(self) -> AbstractAsyncContextManager[Session]:
        """A transaction as well: what is asked for in it here is one statement."""
        return self.begin()

    def stop(self) -> None:
        """Go down: every session is rolled back."""
        self.is_down = True
        for session in list(self._sessions):
            session.end()

    def client_died(self, client: Process) -> None:
        """The server notices soon, and rolls back what that client had begun."""
        self.process.call_later(
            self._nature.random.random() * _NOTICES_S_MAX, self._end_sessions_of, client
        )

    def client_froze(self, client: Process) -> None:
        """Transactions that do nothing for too long are ended."""
        self.process.call_later(
            limits.DATABASE_IDLE_IN_TRANSACTION_MS_MAX / 1000, self._end_idle_sessions_of, client
        )

    def owner_of(self, table: Participant) -> Session | None:
        """Who has the table's lock."""
        lock = self._locks.get(id(table))
        return None if lock is None else lock.owner

    async def lock(self, table: Participant, session: Session) -> None:
        """Wait for a table; Unavailable after the time that the house grants to a lock."""
        lock = self._locks.setdefault(id(table), _Lock(session))
        if lock.owner is session:
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lock.waiting.append((session, granted))
        try:
            async with asyncio.timeout(limits.DATABASE_LOCK_MS_MAX / 1000):
                await granted
        except TimeoutError as error:
            session.end()
            raise Unavailable("the lock was not granted in time") from error

    def commit(self, session: Session) -> None:
        """Let what the session wrote stand."""
        for check in self.on_commit:
            check(session)
        session.is_open = False
        session.client.doing = "between its commit and its publish"
        self._nature.trace.note("commits")
        self.release(session)

    def release(self, session: Session) -> None:
        """Give each of the session's tables to who waits longest."""
        if session in self._sessions:
            self._sessions.remove(session)
        for table, lock in list(self._locks.items()):
            if lock.owner is not session:
                continue
            while lock.waiting:
                lock.owner, granted = lock.waiting.popleft()
                if lock.owner.is_open and not granted.done():
                    granted.set_result(None)
                    break
            else:
                del self._locks[table]

    def _end_sessions_of(self, client: Process) -> None:
        for session in [each for each in self._sessions if each.client is client]:
            session.end()

    def _end_idle_sessions_of(self, client: Process) -> None:
        if client.is_frozen:
            self._end_sessions_of(client)


def session_of(unit: Unit) -> Session:
    """The session that a unit of this simulation is."""
    assert isinstance(unit, Session)
    return unit
