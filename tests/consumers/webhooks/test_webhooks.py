import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumers.webhooks.decide import owned, owners_in, told_in, unowned
from consumers.webhooks.handler import on_events
from consumers.webhooks.store import PostgresBook
from domain.errors import Unavailable
from domain.payment import RefusalCode
from projections.webhook_events import adopt_strays
from runtime.database import Connection, Database
from runtime.unit import PostgresUnit
from schemas.account import (
    AccountKind,
    AccountOpeningRefused,
    AccountOpeningRequested,
    AccountRefusalCode,
    Tier,
)
from schemas.event import Delivered, Event, Position
from schemas.payment import PaymentRefused
from schemas.wire import decode
from tests.support.events import requested, resolved
from tests.support.memory_stage import NOW, FixedClock, message_of
from tests.support.waiting import eventually


def delivered(event: Event, offset: int = 0) -> Delivered[Any]:
    message = message_of(event)
    return decode(
        type(event),
        Position(message.topic, 0, offset),
        key=message.key,
        value=message.value,
        headers=message.headers,
    )


def a_payment(payment_id: UUID, client_id: str) -> list[Delivered[Any]]:
    return [
        delivered(requested(payment_id=payment_id, client_id=client_id)),
        delivered(resolved(payment_id=payment_id)),
        delivered(
            PaymentRefused(payment_id=payment_id, accepted_at=NOW, code=RefusalCode.DAILY_LIMIT)
        ),
    ]


def test_what_stays_in_the_house_is_not_told_and_a_repeat_is_told_once() -> None:
    batch = a_payment(uuid4(), "shop")
    told = told_in([*batch, *batch])
    assert [event.event_type for event in told] == ["payment.requested.v1", "payment.refused.v1"]
    assert [event.rank for event in told] == [0, 3]
    assert "fingerprint" not in json.loads(told[1].body)["data"]


def test_the_owner_of_a_payment_is_said_by_its_request() -> None:
    first, second = a_payment(uuid4(), "shop"), a_payment(uuid4(), "other")[1:]
    told = told_in([*first, *second])
    assert unowned(told) == {second[0].event.payment_id}
    owners = {second[0].event.payment_id: "other", **owners_in(told)}
    assert [event.client_id for event in owned(told, owners)] == ["shop", "shop", "other"]
    assert [event.client_id for event in owned(told, {})] == ["shop", "shop", None]


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_dsn, name="tests")
    yield database
    await database.close()


async def an_endpoint(database: Database, *, is_ordered: bool = False) -> tuple[UUID, str]:
    endpoint_id, client_id = uuid4(), f"client-{uuid4().hex}"
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO webhook_endpoints"
            " (endpoint_id, client_id, url_sealed, event_types, is_ordered, created_at)"
            " VALUES ($1, $2, 'sealed', '{}', $3, $4)",
            *(endpoint_id, client_id, is_ordered, NOW - timedelta(days=1)),
        )
    return endpoint_id, client_id


async def planned(database: Database, client_id: str) -> list[tuple[str, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT event_type, state FROM webhook_deliveries WHERE client_id = $1"
            " ORDER BY event_type",
            client_id,
        )
    return [(row["event_type"], row["state"]) for row in rows]


async def deliver(
    database: Database, batches: Sequence[Sequence[Delivered[Any]]], *, forgets: bool = False
) -> None:
    """Each batch to a process that remembers the ones before, or to one that has just started."""
    book = PostgresBook(clock=FixedClock())
    for batch in batches:
        if forgets:
            book = PostgresBook(clock=FixedClock())
        async with database.connection() as connection:
            assert await on_events(batch, PostgresUnit(connection), book=book) == [None] * len(
                batch
            )


@pytest.mark.real
@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_whatever_the_order_and_repetition_each_event_is_planned_once(
    database: Database, order: tuple[int, ...]
) -> None:
    _, client_id = await an_endpoint(database)
    payment_id = uuid4()
    events = a_payment(payment_id, client_id)
    batches = [[events[place]] for place in order]
    await deliver(database, [*batches, *batches], forgets=True)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO payments (payment_id, client_id) VALUES ($1, $2)", payment_id, client_id
        )
        await adopt_strays(connection, NOW)
    await deliver(database, batches)
    assert await planned(database, client_id) == [
        ("payment.refused.v1", "pending"),
        ("payment.requested.v1", "pending"),
    ]


@pytest.mark.real
async def test_where_order_counts_the_outcome_waits_for_the_request(database: Database) -> None:
    _, client_id = await an_endpoint(database, is_ordered=True)
    request, _, refusal = a_payment(uuid4(), client_id)
    await deliver(database, [[request, refusal]])
    assert await planned(database, client_id) == [
        ("payment.refused.v1", "waiting"),
        ("payment.requested.v1", "pending"),
    ]


@pytest.mark.real
async def test_a_refused_account_is_told_to_who_asked(database: Database) -> None:
    _, client_id = await an_endpoint(database)
    request_id, account_id = uuid4(), uuid4()
    common: dict[str, Any] = {
        "request_id": request_id,
        "requested_at": NOW,
        "account_id": account_id,
    }
    asked = AccountOpeningRequested(
        client_id=client_id, kind=AccountKind.WALLET, tier=Tier.VERIFIED, currency="USD", **common
    )
    refused = AccountOpeningRefused(code=AccountRefusalCode.UNKNOWN_CURRENCY, **common)
    await deliver(database, [[delivered(refused)], [delivered(asked)]], forgets=True)
    async with database.connection() as connection:
        await adopt_strays(connection, NOW)
    assert await planned(database, client_id) == [("account.opening-refused.v1", "pending")]


@pytest.mark.real
async def test_an_endpoint_is_told_nothing_from_before_it_was_made(database: Database) -> None:
    endpoint_id, client_id = await an_endpoint(database)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE webhook_endpoints SET created_at = $2 WHERE endpoint_id = $1",
            endpoint_id,
            NOW + timedelta(seconds=1),
        )
    await deliver(database, [a_payment(uuid4(), client_id)])
    assert await planned(database, client_id) == []


@pytest.mark.real
async def test_an_endpoint_that_is_deleted_while_it_is_planned_for_costs_another_try(
    database: Database,
) -> None:
    """Its owner may delete it at any time, and must not stop those who are told with them."""
    endpoint_id, client_id = await an_endpoint(database)
    _, other_id = await an_endpoint(database)
    batch = [*a_payment(uuid4(), client_id), *a_payment(uuid4(), other_id)]
    async with database.connection() as owner:
        async with owner.transaction():
            await owner.execute("DELETE FROM webhook_endpoints WHERE endpoint_id = $1", endpoint_id)
            planning = asyncio.create_task(deliver(database, [batch]))
            # It has seen the endpoint by then, and its insert asks whether it is still there.
            await eventually(partial(waits_for, owner))
        with pytest.raises(Unavailable):
            await planning

    await deliver(database, [batch])

    assert await planned(database, client_id) == []
    assert len(await planned(database, other_id)) == 2


async def waits_for(owner: Connection) -> bool:
    found: bool = await owner.fetchval(
        # pg_stat_activity would be the same until the transaction ends.
        "SELECT EXISTS (SELECT FROM pg_locks"
        " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    )
    return found
