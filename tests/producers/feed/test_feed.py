"""GET /events: in order, to the owner alone, from after a cursor, and honest where it cannot be."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.requests import Request

from projections.feed import DAYS_KEPT
from runtime.http.access_token import invalid_token
from runtime.http.caller import Caller
from tests.producers.feed.place import Place, Reader
from tests.support.memory_stage import FixedClock
from tests.support.public_events import id_of, payment, public_ids, refused_account, released
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

BAD_QUERIES = yaml.safe_load((Path(__file__).parent / "bad_queries.yaml").read_text("utf-8"))


def ids(document: Any) -> list[str]:
    return [event["id"] for event in document["data"]]


async def test_events_come_in_order_in_pages_and_each_once(place: Place, alice: Reader) -> None:
    events = [event for _ in range(5) for event in payment(alice.client_id, outcome="conflicted")]
    await place.tell(events)

    found: list[str] = []
    query, more = "limit=4", True
    while more:
        document = await alice.pull(query)
        assert len(document["data"]) <= 4
        found += ids(document)
        query, more = f"limit=4&after={document['next_cursor']}", document["has_more"]

    assert found == public_ids(events)
    again = await alice.pull(query)
    assert ids(again) == []
    assert not again["has_more"]


async def test_an_event_says_what_it_is_and_nothing_that_stays_inside(
    place: Place, alice: Reader
) -> None:
    [requested, posted] = events = payment(alice.client_id)
    await place.tell(events)

    [first, second] = (await alice.pull())["data"]

    assert first["type"] == "payment.requested.v1"
    assert first["id"] == str(id_of(requested))
    assert first["data"]["amount_minor"] == 1000
    assert set(first["data"]) == {
        *("payment_id", "accepted_at", "from_handle", "to_handle", "amount_minor", "currency"),
        *("payment_type", "fingerprint"),
    }
    assert second["id"] == str(id_of(posted))
    assert second["subject"] == first["subject"] == str(posted.subject)


async def test_nobody_sees_the_events_of_another(place: Place, alice: Reader) -> None:
    bob = alice.other()
    mine, theirs = payment(alice.client_id), refused_account(bob.client_id)
    await place.tell([*mine, *theirs])

    assert ids(await alice.pull()) == public_ids(mine)
    assert ids(await bob.pull()) == public_ids(theirs)


async def test_a_cursor_is_good_for_its_client_alone(place: Place, alice: Reader) -> None:
    await place.tell(payment(alice.client_id))
    cursor = (await alice.pull())["next_cursor"]

    answer = await alice.other().ask(f"after={cursor}")

    assert (answer.status, answer.code) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("payment.posted.v1", {"payment.posted.v1"}),
        ("payment.", {"payment.requested.v1", "payment.posted.v1"}),
        ("handle.,payment.posted.v1", {"payment.posted.v1", "handle.released.v1"}),
        ("account.", set()),
    ],
)
async def test_only_the_types_that_are_asked_for_come(
    place: Place, alice: Reader, types: str, expected: set[str]
) -> None:
    await place.tell([*payment(alice.client_id), *released(alice.client_id)])

    document = await alice.pull(f"types={types}")

    assert {event["type"] for event in document["data"]} == expected
    # What was passed over is behind the cursor, also for other types.
    assert ids(await alice.pull(f"after={document['next_cursor']}")) == []


@pytest.mark.parametrize("case", BAD_QUERIES, ids=lambda case: case["name"])
async def test_a_query_that_makes_no_sense_is_refused(alice: Reader, case: dict[str, Any]) -> None:
    answer = await alice.ask(case["query"])

    assert (answer.status, answer.code) == (case["status"], case["code"])


async def test_who_waits_is_told_as_soon_as_something_comes(place: Place, alice: Reader) -> None:
    cursor = (await alice.pull())["next_cursor"]
    waiting = asyncio.create_task(alice.ask(f"after={cursor}", wait_s=10))
    other = asyncio.create_task(alice.other().ask(wait_s=1))
    events = payment(alice.client_id)

    async with asyncio.timeout(5):
        # Of another type than is waited for: the wait goes on.
        narrow = asyncio.create_task(alice.ask(f"after={cursor}&types=handle.", wait_s=10))
        await place.tell(events)
        answer = await waiting
        assert ids(answer.document) == public_ids(events)
        assert answer.headers["preference-applied"] == "wait=10"
        assert ids((await other).document) == []
        await place.tell(released(alice.client_id))
        assert [event["type"] for event in (await narrow).document["data"]] == [
            "handle.released.v1"
        ]


async def test_who_must_stop_while_they_wait_is_told_nothing(place: Place, alice: Reader) -> None:
    cursor = (await alice.pull())["next_cursor"]
    waiting = asyncio.create_task(alice.ask(f"after={cursor}", wait_s=10))
    await eventually(lambda: alice.client_id in alice.app.state.edge.heads._waiters)

    async def revoked(_: Request) -> Caller:
        raise invalid_token()

    alice.app.state.authenticator = revoked
    await place.tell(payment(alice.client_id))

    answer = await waiting
    assert (answer.status, answer.code) == (401, "invalid_token")


async def test_a_cursor_before_what_is_kept_is_gone_and_says_where_to_begin(
    place: Place, alice: Reader
) -> None:
    start = (await alice.pull())["next_cursor"]
    today = datetime.now(UTC)
    old, new = payment(alice.client_id), payment(alice.client_id)
    long_ago = today - timedelta(days=DAYS_KEPT + 1)
    await place.tell(old, clock=FixedClock(long_ago))
    seen_one = (await alice.pull("limit=1"))["next_cursor"]
    seen_old = (await alice.pull())["next_cursor"]
    await place.tell(new, clock=FixedClock(today))  # drops the day of the old ones

    for cursor in (start, seen_one):
        answer = await alice.ask(f"after={cursor}")
        assert (answer.status, answer.code) == (410, "cursor_expired")
        oldest = answer.document["oldest_cursor"]
        assert ids(await alice.pull(f"after={oldest}")) == public_ids(new)
    # Who had seen all that is gone has missed nothing.
    assert ids(await alice.pull(f"after={seen_old}")) == public_ids(new)
    assert ids(await alice.pull()) == public_ids(new)


async def test_when_all_is_gone_the_oldest_cursor_is_the_end(place: Place, alice: Reader) -> None:
    today = datetime.now(UTC)
    await place.tell(
        payment(alice.client_id), clock=FixedClock(today - timedelta(days=DAYS_KEPT + 1))
    )
    seen_one = (await alice.pull("limit=1"))["next_cursor"]
    await place.tell(payment("client:another"), clock=FixedClock(today))

    answer = await alice.ask(f"after={seen_one}")

    assert answer.status == 410
    oldest = answer.document["oldest_cursor"]
    assert ids(await alice.pull(f"after={oldest}")) == []
    later = payment(alice.client_id)
    await place.tell(later)
    assert ids(await alice.pull(f"after={oldest}")) == public_ids(later)


async def test_the_day_of_an_event_never_goes_back_when_a_clock_does(
    place: Place, alice: Reader
) -> None:
    today = datetime.now(UTC)
    events = [payment(alice.client_id) for _ in range(3)]
    await place.tell(events[0], clock=FixedClock(today))
    cursor = (await alice.pull())["next_cursor"]
    await place.tell(events[1], clock=FixedClock(today - timedelta(days=2)))
    await place.tell(events[2], clock=FixedClock(today))

    found = ids(await alice.pull(f"after={cursor}"))

    assert found == [*public_ids(events[1]), *public_ids(events[2])]


async def test_a_feed_that_was_dropped_and_filled_anew_takes_no_older_cursor(
    place: Place, alice: Reader
) -> None:
    events = payment(alice.client_id)
    await place.tell(events)
    cursor = (await alice.pull())["next_cursor"]
    async with place.database() as database, database.connection() as connection:
        await connection.execute("RESET ROLE")
        for table in ("feed_events", "feed_heads"):
            await connection.execute(
                f"DELETE FROM {table} WHERE client_id = $1",
                alice.client_id,
            )
        await connection.execute("DELETE FROM feed_subjects WHERE client_id = $1", alice.client_id)
    assert (await alice.ask(f"after={cursor}")).status == 410
    await place.tell(events)

    answer = await alice.ask(f"after={cursor}")

    assert answer.status == 410
    oldest = answer.document["oldest_cursor"]
    assert ids(await alice.pull(f"after={oldest}")) == public_ids(events)
