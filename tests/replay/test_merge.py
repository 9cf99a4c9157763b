"""The set-based merge on a real PostgreSQL comes to what the projection's own fold comes to."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.payment_fold import PaymentFact, PaymentRow, fold, row_of
from replay.database import connected
from replay.staging import Chunk, make_tables, merge_staged
from replay.tables import HANDLES, PAYMENTS, Row, Table
from runtime.database import Connection
from tests.replay.place import Place
from tests.support.payment_events import facts

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

Fact = tuple[PaymentFact, datetime]


@pytest.fixture
async def connection(place: Place) -> AsyncIterator[Connection]:
    async with connected(place.dsn) as connection:
        yield connection


def folded(history: Sequence[Fact]) -> list[PaymentRow]:
    rows: dict[UUID, PaymentRow] = {}
    for event, occurred_at in history:
        rows[event.payment_id] = fold(rows.get(event.payment_id), event, occurred_at)
    return [rows[key] for key in sorted(rows)]


async def table_of(connection: Connection, table: Table) -> list[Row]:
    query = table.sql("SELECT {columns} FROM titan_replay.{name} ORDER BY {order}")
    return [tuple(record) for record in await connection.fetch(query)]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(history=st.lists(facts, min_size=1, max_size=14), data=st.data())
async def test_however_it_is_staged_and_merged_the_table_is_the_fold(
    connection: Connection, place: Place, history: list[Fact], data: st.DataObject
) -> None:
    log = data.draw(st.permutations(history + data.draw(st.lists(st.sampled_from(history)))))
    ends = data.draw(st.sets(st.integers(1, len(log)), max_size=5))
    merges = data.draw(st.sets(st.sampled_from(sorted(ends | {len(log)}))))

    await make_tables(connection, [PAYMENTS], is_kept=False)
    chunk = Chunk([PAYMENTS])
    for number, (event, occurred_at) in enumerate(log, 1):
        chunk.add(0, row_of(event, occurred_at))
        if number in ends:
            await chunk.copy_out(connection)
        if number in merges:
            await merge_staged(connection, [PAYMENTS], dsn=place.dsn)
    await chunk.copy_out(connection)
    await merge_staged(connection, [PAYMENTS], dsn=None)

    assert await table_of(connection, PAYMENTS) == folded(history)


async def test_of_a_handle_the_newest_version_stands_in_whatever_order(
    connection: Connection,
) -> None:
    now = datetime.fromisoformat("2026-11-23T10:03:07Z")
    versions = [("alice", n, f"c{n}", None, None, None, now) for n in (2, 1, 4, 3)]
    await make_tables(connection, [HANDLES], is_kept=False)
    for row in versions:
        chunk = Chunk([HANDLES])
        chunk.add(0, row)
        await chunk.copy_out(connection)
        await merge_staged(connection, [HANDLES], dsn=None)

    assert await table_of(connection, HANDLES) == [versions[2]]


async def test_a_replay_that_was_killed_is_in_nobodys_way(place: Place) -> None:
    """What it staged, and its lock, end with its connection."""
    async with connected(place.dsn) as connection:
        await make_tables(connection, [PAYMENTS], is_kept=True)
        chunk = Chunk([PAYMENTS])
        chunk.add(0, PaymentRow(UUID(int=1), client_id="left behind"))
        await chunk.copy_out(connection)

    code, found = await place.replay("payments")

    assert (code, found["tables"][0]["rows"]) == (0, 0)
