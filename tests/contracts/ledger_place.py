"""A ledger with what is around it: where it keeps its books, its units, its clock."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID, uuid4

from domain.account import NO_MINIMUM_MINOR, Account, AccountOpening
from domain.hold import Capture, Ended, Held, Hold, HoldRefused
from domain.posting import Entry, Posted, Posting, Refused
from ledger_adapter.memory import MemoryLedger
from ledger_adapter.ports import Ledger, LedgerReader
from ledger_adapter.postgres import PostgresLedger, PostgresLedgerReader
from runtime.database import Connection, Database
from runtime.unit import MemoryUnits, PostgresUnit, PostgresUnits, Unit

NOW: Final = datetime(2026, 11, 23, 10, 3, 7, 250, tzinfo=UTC)


@dataclass
class Time:
    """Stands where the test puts it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **timespan: float) -> None:
        self.now += timedelta(**timespan)


class UnitFailed(Exception):  # noqa: N818 - it is raised on purpose, and no error
    """What a unit that is to fail fails with."""


class Begins(Protocol):
    """What the ledger needs of units."""

    def begin(self) -> AbstractAsyncContextManager[Unit]: ...


@dataclass
class Place:
    """One ledger; each method below is one unit that commits."""

    ledger: Ledger
    reader: LedgerReader
    units: Begins
    time: Time = field(default_factory=Time)

    @asynccontextmanager
    async def unit_that_fails(self) -> AsyncIterator[Unit]:
        """A unit that is undone when the block ends."""
        with suppress(UnitFailed):
            async with self.units.begin() as unit:
                yield unit
                raise UnitFailed

    async def open(self, minimum_minor: int = 0, currency: str = "USD") -> UUID:
        """A new account with nothing in it."""
        account_id = uuid4()
        async with self.units.begin() as unit:
            await self.ledger.open([AccountOpening(account_id, currency, minimum_minor)], unit=unit)
        return account_id

    async def open_with(self, amount_minor: int) -> UUID:
        """A new wallet, funded from a new system account."""
        wallet, system = await self.open(), await self.open(NO_MINIMUM_MINOR)
        [result] = await self.post(transfer(system, wallet, amount_minor))
        assert isinstance(result, Posted)
        return wallet

    async def post(self, *batch: Posting) -> list[Posted | Refused]:
        async with self.units.begin() as unit:
            return await self.ledger.post(batch, unit=unit)

    async def hold(self, *batch: Hold) -> list[Held | HoldRefused]:
        async with self.units.begin() as unit:
            return await self.ledger.hold(batch, unit=unit)

    async def capture(self, *batch: Capture) -> list[Posted | Refused]:
        async with self.units.begin() as unit:
            return await self.ledger.capture(batch, unit=unit)

    async def void(self, *batch: UUID) -> list[Ended | HoldRefused]:
        async with self.units.begin() as unit:
            return await self.ledger.void(batch, unit=unit)

    async def expire(self, *, limit: int = 1_000) -> list[Ended]:
        async with self.units.begin() as unit:
            return await self.ledger.expire(now=self.time.now, limit=limit, unit=unit)

    async def freeze(self, *account_ids: UUID) -> frozenset[UUID]:
        async with self.units.begin() as unit:
            return await self.ledger.freeze(account_ids, unit=unit)

    async def unfreeze(self, *account_ids: UUID) -> frozenset[UUID]:
        async with self.units.begin() as unit:
            return await self.ledger.unfreeze(account_ids, unit=unit)

    async def account(self, account_id: UUID) -> Account:
        return (await self.reader.balances([account_id]))[account_id]

    async def balances_minor(self, *account_ids: UUID) -> list[int]:
        balances = await self.reader.balances(account_ids)
        return [balances[account_id].balance_minor for account_id in account_ids]


def memory_place() -> Place:
    time = Time()
    ledger = MemoryLedger(now=time)
    return Place(ledger, ledger, MemoryUnits(), time)


@asynccontextmanager
async def postgres_place(dsn: str, *, connections: int = 2) -> AsyncIterator[Place]:
    """Other tests' accounts are in these books too, but none of their holds is open."""
    database = await Database.connect(dsn, name="ledger-contracts", size=connections)
    units, time = PostgresUnits(database), Time()
    ledger = PostgresLedger(now=time)
    async with units.begin() as unit:
        await ledger.expire(now=NOW + timedelta(days=36_500), limit=100_000, unit=unit)
    yield Place(ledger, PostgresLedgerReader(database), units, time)
    await database.close()


class OneConnection:
    """Units that are savepoints of one transaction, which a test can roll back as a whole."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        yield self._connection

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresUnit]:
        async with self._connection.transaction():
            yield PostgresUnit(self._connection)


def savepoint_place(connection: Connection) -> Place:
    one, time = OneConnection(connection), Time()
    return Place(PostgresLedger(now=time), PostgresLedgerReader(one), one, time)


def entries(*amounts: tuple[UUID, int]) -> tuple[Entry, ...]:
    return tuple(Entry(account_id, amount_minor) for account_id, amount_minor in amounts)


def transfer(
    payer: UUID,
    payee: UUID,
    amount_minor: int,
    *,
    posting_id: UUID | None = None,
    currency: str = "USD",
) -> Posting:
    """A posting of two entries under a new id, unless one is given."""
    moved = entries((payer, -amount_minor), (payee, amount_minor))
    return Posting(posting_id or uuid4(), currency, moved)


def hold_on(account_id: UUID, amount_minor: int, expires_at: datetime | None = None) -> Hold:
    """A hold under a new id."""
    return Hold(uuid4(), account_id, "USD", amount_minor, expires_at)


def codes(results: Sequence[Posted | Refused] | Sequence[Held | HoldRefused]) -> list[str | None]:
    """The code of each refusal, None for what was not refused."""
    return [
        result.code if isinstance(result, Refused | HoldRefused) else None for result in results
    ]
