"""What became of payments and accounts, read on real servers."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from domain.payment import FINAL, PaymentType, RefusalCode
from producers.payments.decide import payment_id_for
from runtime.http.access_token import invalid_token
from runtime.http.caller import Caller
from schemas.payment import PaymentPosted, PaymentRefused, PaymentResolved, PaymentScreened
from tests.producers.payments.place import Place
from tests.producers.payments.router import BODY, Router
from tests.support.alone import NOBODY
from tests.support.asgi import Answer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

PAYER, PAYEE = uuid4(), uuid4()


def life_of(payment_id: str, at: datetime, *, refused: bool = False) -> list[Any]:
    """The events after payment.requested."""
    common: dict[str, Any] = {"payment_id": UUID(payment_id), "accepted_at": at}
    money: dict[str, Any] = {
        "payer_account_id": PAYER,
        "payee_account_id": PAYEE,
        "amount_minor": 1000,
        "currency": "USD",
    }
    resolved = PaymentResolved(
        **common,
        **money,
        from_handle_version=1,
        to_handle_version=1,
        payment_type=PaymentType.WALLET,
    )
    if refused:
        return [
            resolved,
            PaymentRefused(**common, code=RefusalCode.INSUFFICIENT_FUNDS, payer_account_id=PAYER),
        ]
    return [
        resolved,
        PaymentScreened(**common, **money, payment_type=PaymentType.WALLET),
        PaymentPosted(**common, **money, posting_id=uuid5(UUID(payment_id), "posting")),
    ]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def router(place: Place) -> AsyncIterator[Router]:
    """The router, with the projection behind it."""
    async with place.router() as router, place.projection():
        yield router


async def test_a_payment_is_there_the_moment_it_was_accepted(place: Place, key: str) -> None:
    async with place.router() as router:
        accepted = await router.post(key=key)
        answer = await router.get(accepted.headers["location"])

    assert answer.status == 200
    assert answer.document["id"] == accepted.document["id"]
    assert answer.document["state"] == "requested"
    assert [reached["state"] for reached in answer.document["history"]] == ["requested"]


async def test_a_posted_payment_tells_its_whole_life(
    place: Place, router: Router, key: str
) -> None:
    accepted = await router.post(key=key)
    payment_id = accepted.document["id"]
    await place.publish(*life_of(payment_id, now()), at=now())

    answer = await ended(router, payment_id)

    document = answer.document
    states = [reached["state"] for reached in document["history"]]
    assert states == ["requested", "resolved", "screened", "posted"]
    assert document["posting_id"] == str(uuid5(UUID(payment_id), "posting"))
    assert document["refusal_code"] is None
    assert {name: document[name] for name in BODY} == BODY


async def test_a_refused_payment_says_why(place: Place, router: Router, key: str) -> None:
    accepted = await router.post(key=key)
    payment_id = accepted.document["id"]
    await place.publish(*life_of(payment_id, now(), refused=True), at=now())

    answer = await ended(router, payment_id)

    assert answer.document["state"] == "refused"
    assert answer.document["refusal_code"] == "insufficient_funds"
    assert answer.document["posting_id"] is None


async def test_another_clients_payment_is_not_found(router: Router, key: str) -> None:
    accepted = await router.post(key=key)
    theirs = [("test-client", "shop")]
    path = accepted.headers["location"]

    for hidden in (path, f"{path}/events", f"/payments/{uuid4()}"):
        answer = await router.get(hidden, headers=theirs)
        assert (answer.status, answer.code) == (404, "payment_not_found")


async def test_a_payment_that_waits_is_answered_when_it_ends(
    place: Place, router: Router, key: str
) -> None:
    asking = asyncio.create_task(router.post(key=key, headers=[("prefer", "wait=10")]))
    payment_id = str(payment_id_for("demo", key))
    await place.projected(payment_id)
    await place.publish(*life_of(payment_id, now()), at=now())

    answer = await asking

    assert (answer.status, answer.document["state"]) == (200, "posted")
    assert answer.headers["preference-applied"] == "wait=10"
    assert answer.headers["location"] == f"/payments/{payment_id}"


async def test_a_wait_that_is_over_gives_the_first_answer(router: Router, key: str) -> None:
    answer = await router.post(key=key, headers=[("prefer", "wait=0")])

    assert (answer.status, answer.document["state"]) == (202, "requested")
    assert answer.headers["preference-applied"] == "wait=0"


async def test_reading_waits_for_the_next_state(place: Place, router: Router, key: str) -> None:
    accepted = await router.post(key=key)
    payment_id = accepted.document["id"]
    await place.projected(payment_id)
    path = accepted.headers["location"]
    asking = asyncio.create_task(router.get(path, headers=[("prefer", "wait=10")]))
    [resolved, *_] = life_of(payment_id, now())
    await place.publish(resolved, at=now())

    answer = await asking

    assert answer.document["state"] == "resolved"


async def test_the_stream_tells_each_state_once_and_ends(
    place: Place, router: Router, key: str
) -> None:
    accepted = await router.post(key=key)
    payment_id = accepted.document["id"]
    asking = asyncio.create_task(router.get(f"{accepted.headers['location']}/events"))
    await place.publish(*life_of(payment_id, now()), at=now())

    events = parsed((await asking).body)
    again = await router.get(
        f"{accepted.headers['location']}/events", headers=[("last-event-id", "1")]
    )

    names = [event["event"] for event in events]
    assert names[0] == "payment.requested"
    assert names[-1] == "payment.posted"
    assert len(names) == len(set(names))
    assert events[-1]["data"]["posting_id"] == str(uuid5(UUID(payment_id), "posting"))
    assert [event["event"] for event in parsed(again.body)] == [
        "payment.screened",
        "payment.posted",
    ]
    assert len(router.app.state.edge.streams) == 0


async def test_who_must_stop_is_told_no_later_state_neither_by_stream_nor_by_waiting(
    place: Place, router: Router, key: str
) -> None:
    accepted = await router.post(key=key)
    payment_id, path = accepted.document["id"], accepted.headers["location"]
    await place.projected(payment_id)
    following = asyncio.create_task(router.get(f"{path}/events"))
    asking = asyncio.create_task(router.get(path, headers=[("prefer", "wait=10")]))
    await eventually(
        lambda: len(router.app.state.edge.states._waiters.get(UUID(payment_id), [])) == 2
    )

    async def revoked(_: Request) -> Caller:
        raise invalid_token()

    router.app.state.authenticator = revoked
    await place.publish(*life_of(payment_id, now()), at=now())
    async with asyncio.timeout(30):
        stream, answer = await following, await asking

    assert [event["event"] for event in parsed(stream.body)] == ["payment.requested"]
    assert (answer.status, answer.code) == (401, "invalid_token")


async def test_a_list_shows_each_payment_once_the_newest_first(
    place: Place, router: Router
) -> None:
    client = [("test-client", uuid4().hex)]
    asked = []
    for number in range(5):
        body = BODY | {"amount": number + 1, "from_handle": "carol" if number == 3 else "alice"}
        answer = await router.post(body, headers=client)
        asked.append(answer.document["id"])
    await place.projected(asked[-1], client_id=client[0][1])
    await place.projected(asked[3], client_id=client[0][1])

    async def listed(query: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            answer = await router.get(f"/payments?limit=2{query}{cursor}", headers=client)
            found += [payment["id"] for payment in answer.document["data"]]
            assert answer.document["has_more"] is (answer.document["next_cursor"] is not None)
            if not answer.document["has_more"]:
                return found
            cursor = f"&cursor={answer.document['next_cursor']}"

    async def all_are_listed() -> bool:
        return await listed("") == asked[::-1]

    await eventually(all_are_listed)
    assert await listed("&handle=%40Carol") == [asked[3]]
    assert await listed("&handle=bob") == asked[::-1]
    assert await listed("&state=posted") == []
    assert await listed("&from=2001-01-01T00:00:00Z&to=2002-01-01T00:00:00Z") == []
    everybody = await router.get("/payments?limit=1", headers=[("test-client", uuid4().hex)])
    assert everybody.document == {"data": [], "has_more": False, "next_cursor": None}


async def test_a_cursor_is_good_for_its_own_client_and_filters_only(
    place: Place, router: Router
) -> None:
    client = [("test-client", uuid4().hex)]
    for _ in range(2):
        answer = await router.post(headers=client)
        await place.projected(answer.document["id"], client_id=client[0][1])
    page = await router.get("/payments?limit=1", headers=client)
    cursor = page.document["next_cursor"]

    for query, headers in (
        (f"?cursor={cursor}&state=posted", client),
        (f"?cursor={cursor}", [("test-client", "shop")]),
        (f"?cursor={cursor[:-1]}", client),
    ):
        answer = await router.get(f"/payments{query}", headers=headers)
        assert (answer.status, answer.code) == (400, "invalid_cursor")


async def test_without_a_database_what_was_just_accepted_can_be_read_and_no_more(
    place: Place, key: str
) -> None:
    async with place.router(
        postgres_dsn=SecretStr(f"postgresql://nobody@{NOBODY}/nothing")
    ) as router:
        accepted = await router.post(key=key)
        known = await router.get(accepted.headers["location"])
        unknown = await router.get(f"/payments/{uuid4()}")
        listed = await router.get("/payments")

    assert known.document["state"] == "requested"
    assert (unknown.status, unknown.code) == (503, "unavailable")
    assert (listed.status, listed.code) == (503, "unavailable")


async def ended(router: Router, payment_id: str) -> Answer:
    """The payment, once it is final."""

    async def final() -> Answer | None:
        answer = await router.get(f"/payments/{payment_id}")
        return answer if answer.document["state"] in FINAL else None

    found = await eventually(final)
    assert found is not None
    return found


def parsed(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream."""
    events: list[dict[str, Any]] = []
    for block in stream.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        if "data" in fields:
            events.append(fields | {"data": json.loads(fields["data"])})
    return events
