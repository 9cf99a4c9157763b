"""A payment that comes again after its inbox partition was dropped moves no money a second time.

Goal: the inbox may forget, because two walls stand behind it: an event that old is not believed,
and the ledger knows each posting by its id for ever.
Method: the real stage, inbox and ledger on PostgreSQL; time passes where the test says so.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from consumers.ledger_posting.decide import posting_id_of
from consumers.ledger_posting.handler import on_payments_screened
from domain.account import NO_MINIMUM_MINOR, AccountOpening
from domain.errors import Defect
from ledger_adapter.postgres import PostgresLedger
from runtime import limits
from runtime.database import Database
from runtime.inbox import PostgresInbox
from runtime.publisher import MemoryPublisher
from runtime.stage import Stage, StageRunner
from runtime.topics import topic_map
from runtime.unit import PostgresUnits
from schemas.payment import PaymentScreened
from tests.support.events import screened
from tests.support.memory_stage import FixedClock, RawRecord, message_of

pytestmark = pytest.mark.real

TODAY = datetime.now(UTC)
AGES_AGO = TODAY - timedelta(days=limits.CHAIN_AGE_DAYS_MAX + 5)


@dataclass
class House:
    """The posting stage; `payer` pays `payee`, both known to nobody else."""

    database: Database
    clock: FixedClock
    payer: UUID
    payee: UUID
    offset: int = 0

    def event(self, payment_id: UUID, accepted_at: datetime, **changes: int) -> PaymentScreened:
        return screened(
            payment_id=payment_id,
            accepted_at=accepted_at,
            payer_account_id=self.payer,
            payee_account_id=self.payee,
            **changes,
        )

    async def deliver(self, event: PaymentScreened) -> list[str]:
        """A stage that has just started handles it; codes of dead letters, or topics of events."""
        publisher = MemoryPublisher()
        ledger = PostgresLedger(now=self.clock.now)
        runner = StageRunner(
            Stage("ledger_posting", partial(on_payments_screened, ledger=ledger)),
            topics=topic_map(),
            prefix="",
            units=PostgresUnits(self.database),
            inbox=PostgresInbox(self.database),
            publisher=publisher,
            clock=self.clock,
        )
        message = message_of(event)
        self.offset += 1
        record = RawRecord(
            message.topic, 0, self.offset, message.key, message.value, message.headers
        )
        letters = await runner.process([record])
        codes = [letter.error.code for letter in letters]
        return codes or [published.topic for published in publisher.published]

    async def balance_minor(self) -> object:
        return await self.ask(
            "SELECT balance_minor FROM ledger_accounts WHERE account_id = $1", self.payee
        )

    async def postings(self, payment_id: UUID) -> object:
        return await self.ask(
            "SELECT count(*) FROM ledger_postings WHERE posting_id = $1", posting_id_of(payment_id)
        )

    async def has_partition(self, day: datetime) -> bool:
        return bool(await self.ask("SELECT to_regclass($1) IS NOT NULL", f"inbox_{day:%Y%m%d}"))

    async def ask(self, query: str, *arguments: object) -> object:
        async with self.database.connection() as connection:
            found: object = await connection.fetchval(query, *arguments)
            return found


@pytest.fixture
async def house(database_dsn: str) -> AsyncIterator[House]:
    database = await Database.connect(database_dsn, name="test", size=2)
    found = House(database, FixedClock(TODAY), uuid4(), uuid4())
    ledger = PostgresLedger(now=found.clock.now)
    async with PostgresUnits(database).begin() as unit:
        await ledger.open(
            [
                AccountOpening(found.payer, "USD", NO_MINIMUM_MINOR),
                AccountOpening(found.payee, "USD"),
            ],
            unit=unit,
        )
    yield found
    await database.close()


async def test_a_partition_goes_when_its_day_is_too_old(house: House) -> None:
    house.clock.time = AGES_AGO
    await house.deliver(house.event(uuid4(), AGES_AGO))
    assert await house.has_partition(AGES_AGO)

    house.clock.time = TODAY
    await house.deliver(house.event(uuid4(), TODAY))

    assert not await house.has_partition(AGES_AGO)
    assert await house.has_partition(TODAY)


async def test_a_record_older_than_the_partitions_is_not_believed(house: House) -> None:
    payment_id = uuid4()
    house.clock.time = AGES_AGO
    event = house.event(payment_id, AGES_AGO)
    assert await house.deliver(event) == ["payment.posted.v1"]

    house.clock.time = TODAY
    assert await house.deliver(event) == ["implausible_date"]

    assert await house.postings(payment_id) == 1
    assert await house.balance_minor() == event.amount_minor


async def test_a_duplicate_dated_anew_is_answered_by_the_ledger(house: House) -> None:
    """A client repeats its key after months, and no cache and no projection could tell."""
    payment_id = uuid4()
    house.clock.time = AGES_AGO
    assert await house.deliver(house.event(payment_id, AGES_AGO)) == ["payment.posted.v1"]

    house.clock.time = TODAY
    again = house.event(payment_id, TODAY)
    assert await house.deliver(again) == ["payment.posted.v1"]

    assert not await house.has_partition(AGES_AGO)
    assert await house.postings(payment_id) == 1
    assert await house.balance_minor() == again.amount_minor


async def test_a_duplicate_with_another_amount_moves_nothing(house: House) -> None:
    payment_id = uuid4()
    house.clock.time = AGES_AGO
    first = house.event(payment_id, AGES_AGO)
    await house.deliver(first)

    house.clock.time = TODAY
    with pytest.raises(Defect):
        await house.deliver(house.event(payment_id, TODAY, amount_minor=first.amount_minor + 1))

    assert await house.balance_minor() == first.amount_minor


async def test_the_ledger_knows_a_payment_whose_outcome_was_dropped(house: House) -> None:
    """The same record, believable still, after somebody dropped its partition by hand."""
    day = TODAY - timedelta(days=60)
    payment_id = uuid4()
    event = house.event(payment_id, day)
    assert await house.deliver(event) == ["payment.posted.v1"]
    await house.ask("SELECT inbox_drop_before($1)", day.date() + timedelta(days=1))
    assert not await house.has_partition(day)

    assert await house.deliver(event) == ["payment.posted.v1"]

    assert await house.postings(payment_id) == 1
    assert await house.balance_minor() == event.amount_minor
