from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.payment_projection.decide import rows_of
from consumers.payment_projection.handler import on_payment_events
from consumers.payment_projection.store import MemoryPayments, PostgresPayments
from domain.errors import Unavailable
from domain.payment import State
from projections import payments
from projections.payment_fold import PaymentRow, fold
from runtime.database import Database
from runtime.stage import Stage
from runtime.topics import topic_map
from runtime.unit import PostgresUnits
from schemas.event import Delivered, Position
from schemas.payment import PaymentRequested, PaymentResolved, PaymentScreened
from schemas.wire import decode
from tests.support.events import payment_id, requested, resolved, screened
from tests.support.memory_stage import NOW, MemoryStage, message_of
from tests.support.waiting import eventually

Early = PaymentRequested | PaymentResolved | PaymentScreened

EVENTS: list[Early] = [
    event
    for number in range(3)
    for event in (
        requested(payment_id=payment_id(str(number))),
        resolved(payment_id=payment_id(str(number))),
        screened(payment_id=payment_id(str(number))),
    )
]


def delivered(event: Early) -> Delivered[Early]:
    message = message_of(event)
    return decode(
        type(event),
        Position(message.topic, 0, 0),
        key=message.key,
        value=message.value,
        headers=message.headers,
    )


def all_known() -> dict[object, PaymentRow]:
    rows: dict[object, PaymentRow] = {}
    for event in EVENTS:
        rows[event.payment_id] = fold(rows.get(event.payment_id), event, NOW)
    return rows


def test_a_batch_gives_one_row_a_payment_in_the_order_of_ids() -> None:
    rows = rows_of([delivered(event) for event in reversed(EVENTS)])

    assert [row.payment_id for row in rows] == sorted({event.payment_id for event in EVENTS})
    assert {row.payment_id: row for row in rows} == all_known()


@given(
    deliveries=st.lists(st.tuples(st.lists(st.sampled_from(EVENTS), min_size=1), st.booleans())),
    rest=st.permutations(EVENTS),
)
async def test_redelivery_crashes_and_disorder_leave_the_same_rows_and_publish_nothing(
    deliveries: list[tuple[list[Early], bool]], rest: list[Early]
) -> None:
    memory = MemoryPayments()
    handler = partial(on_payment_events, payments=memory)
    stage = MemoryStage(Stage("payment_projection", handler, inbox=False))

    for batch, crash in [*deliveries, (rest, False)]:
        await stage.deliver(*batch, crash_before_commit=crash)

    assert memory.rows == all_known()
    assert stage.published() == []


def test_the_stage_reads_every_payment_topic() -> None:
    read = {topic.name for topic in topic_map().of_group("payment-projection")}

    assert read == {topic.name for topic in topic_map().topics if topic.name.startswith("payment.")}


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    owner = await asyncpg.connect(database_dsn)
    await owner.execute("TRUNCATE payments")
    await owner.close()
    database = await Database.connect(database_dsn, name="tests")
    yield database
    await database.close()


@pytest.fixture
async def told(database_dsn: str) -> AsyncIterator[list[str]]:
    """The channels of the notifications that arrived."""
    channels: list[str] = []
    listener = await asyncpg.connect(database_dsn)
    await listener.add_listener(
        payments.CHANNEL, lambda _, __, channel, ___: channels.append(channel)
    )
    yield channels
    await listener.close()


@pytest.mark.real
async def test_a_batch_commits_its_rows_and_tells_those_who_wait_once(
    database: Database, told: list[str]
) -> None:
    units = PostgresUnits(database)
    store = PostgresPayments()
    batch = [delivered(event) for event in EVENTS]

    async def cut_off() -> None:
        async with units.begin() as unit:
            await on_payment_events(batch, unit, payments=store)
            raise ConnectionResetError

    with pytest.raises(Unavailable):
        await cut_off()
    async with units.begin() as unit:
        assert await on_payment_events(batch, unit, payments=store) == [None] * len(batch)

    await eventually(lambda: told)
    async with database.connection() as connection:
        ids = [event.payment_id for event in EVENTS]
        assert await payments.states(connection, ids) == dict.fromkeys(ids, State.SCREENED)
    assert told == [payments.CHANNEL]
