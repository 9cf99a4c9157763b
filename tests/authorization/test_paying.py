"""Whose money moves: at the edge, and again where handles are resolved, whatever the edge said."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from consumers.handle_resolution.app import build as build_handle_resolution
from consumers.payment_projection.app import build as build_payment_projection
from domain.payment import RefusalCode, State
from producers.payments.payers import Payers
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.http.caller import Scope
from runtime.settings import Settings
from tests.authorization.house import SHOP, House, client_of, house_at, token_of
from tests.simulation.client import candidate_of
from tests.support.asgi import Answer
from tests.support.waiting import eventually

STAGES = {
    "handle_resolution": build_handle_resolution,
    "payment_projection": build_payment_projection,
}
KEY = "the-same-key"


def body_of(payer: str, payee: str, amount: int = 1) -> dict[str, Any]:
    return {
        "from_handle": payer,
        "to_handle": payee,
        "amount": amount,
        "currency": "USD",
        "payment_type": "WALLET",
    }


async def pay(
    house: House, persona: str, payer: str, payee: str, *, key: str | None = None, amount: int = 1
) -> Answer:
    headers = {"idempotency-key": key or str(uuid4())}
    body = body_of(payer, payee, amount)
    return await house.ask("payments", persona, "POST", "/payments", body, headers)


async def became_of(house: House, persona: str, accepted: Answer) -> tuple[str, str | None]:
    """The state in which the stages here leave a payment, and why it was refused."""
    assert accepted.status == 202, accepted

    async def decided() -> dict[str, Any] | None:
        path = f"/payments/{accepted.document['id']}"
        answer = await house.ask("payments", persona, "GET", path)
        document: dict[str, Any] = answer.document
        return None if document["state"] == State.REQUESTED else document

    document = await eventually(decided, timeout_s=30)
    assert document is not None
    return document["state"], document["refusal_code"]


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_money_moves_only_for_whoever_holds_the_handle_or_was_let(settings: Settings) -> None:
    async with house_at(settings, "payments", "handles", stages=STAGES) as house:
        await house.open_accounts()
        account_id = await house.account(persona="other")
        payee = (await house.claim(persona="other", account_id=account_id))["handle"]
        shop = token_of(SHOP, scopes=frozenset({Scope.PAYMENTS_WRITE, Scope.PAYMENTS_READ}))
        mine = await pay(house, "owner", house.payer, payee)
        assert await became_of(house, "owner", mine) == (State.RESOLVED, None)

        strangers = [
            await pay(house, "owner", payee, house.payer),
            await pay(house, "owner", "nobody-holds-this", payee),
            await pay(house, shop, house.payer, payee),
        ]
        # Whether somebody holds the handle or nobody does, the words are the same.
        assert {(answer.status, answer.code) for answer in strangers} == {(404, "payer_not_found")}

        payer_path = f"/handles/{house.payer}/payers/{SHOP}"
        assert (await house.ask("handles", "owner", "PUT", payer_path)).status == 204
        let = await pay(house, shop, house.payer, payee)
        assert await became_of(house, shop, let) == (State.RESOLVED, None)

        # The edge still knows what it was told a moment ago; the stage knows better.
        assert (await house.ask("handles", "owner", "DELETE", payer_path)).status == 204
        withdrawn = await pay(house, shop, house.payer, payee)
        refused = (State.REFUSED, RefusalCode.UNKNOWN_PAYER)
        assert await became_of(house, shop, withdrawn) == refused

        # Where nobody answers for the payer, nothing is taken from a person.
        by_demo = await pay(house, "demo", house.payer, payee)
        assert await became_of(house, "demo", by_demo) == refused

        # Nor from whoever has come to hold a handle since.
        assert (
            await house.ask("handles", "owner", "DELETE", f"/handles/{house.payer}")
        ).status in {*(200, 202)}

        async def is_released() -> bool:
            answer = await house.ask("handles", "other", "GET", f"/handles/{house.payer}/payers")
            path = f"/handles/resolve?handle={house.payer}"
            return (answer.status, (await house.ask("handles", "demo", "GET", path)).status) == (
                *(404, 404),
            )

        await eventually(is_released)
        gone = await pay(house, "owner", house.payer, payee)
        assert await became_of(house, "owner", gone) == refused


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_an_item_of_many_is_refused_where_a_payment_alone_would_be(
    settings: Settings,
) -> None:
    async with house_at(settings, "payments", "handles") as house:
        await house.open_accounts()
        account_id = await house.account(persona="other")
        theirs = (await house.claim(persona="other", account_id=account_id))["handle"]
        pairs = [(house.payer, theirs), (theirs, house.payer)]
        told = {}
        for persona in ("owner", "other", "program"):
            items = [body_of(*pair) | {"idempotency_key": str(uuid4())} for pair in pairs]
            answer = await house.ask(
                "payments", persona, "POST", "/payments/bulk", {"payments": items}
            )
            assert answer.status == 200, answer
            told[persona] = [
                (item["status"], item.get("problem", {}).get("code"))
                for item in answer.document["data"]
            ]

    taken, refused = (202, None), (404, "payer_not_found")
    assert told == {
        "owner": [taken, refused],
        "other": [refused, taken],
        "program": [refused, refused],
    }


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_a_key_is_its_callers_own(settings: Settings) -> None:
    async with house_at(settings, "payments", "handles") as house:
        await house.open_accounts()
        account_id = await house.account(persona="other")
        other_handle = (await house.claim(persona="other", account_id=account_id))["handle"]
        mine = await pay(house, "owner", house.payer, other_handle, key=KEY)
        theirs = await pay(house, "other", other_handle, house.payer, key=KEY, amount=2)
        by_demo = await pay(house, "demo", house.payer, other_handle, key=KEY, amount=3)
        again = await pay(house, "owner", house.payer, other_handle, key=KEY)
        changed = await pay(house, "owner", house.payer, other_handle, key=KEY, amount=9)

    assert [mine.status, theirs.status, by_demo.status, again.status] == [202] * 4
    assert len({answer.document["id"] for answer in (mine, theirs, by_demo)}) == 3
    assert (again.document, again.headers["idempotent-replayed"]) == (mine.document, "true")
    assert (changed.status, changed.code) == (422, "idempotency_key_reuse")


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_a_key_of_accounts_and_handles_is_its_callers_own(settings: Settings) -> None:
    headers = {"idempotency-key": str(uuid4()), "prefer": "wait=0"}
    claim = {"handle": f"h{uuid4().hex[:20]}", "account_id": str(uuid4()), "display_name": "Ann"}
    asked = [
        ("payments", "/accounts", {"currency": "USD"}),
        ("handles", "/handles", claim),
    ]
    async with house_at(settings, "payments", "handles") as house:
        for edge, path, body in asked:
            locations = set()
            for persona in ("owner", "other", "program", "demo"):
                answer = await house.ask(edge, persona, "POST", path, body, headers)
                locations.add(answer.headers["location"])
            assert len(locations) == 4


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_a_payment_refused_for_its_payer_leaves_its_key_free(settings: Settings) -> None:
    async with house_at(settings, "payments", "handles") as house:
        await house.open_accounts()
        key, later = str(uuid4()), f"h{uuid4().hex[:20]}"
        early = await pay(house, "owner", later, house.payer, key=key)
        body = {"handle": later, "account_id": house.second_account_id, "display_name": "Ann"}
        await house.own("handles", "POST", "/handles", body)
        claimed = await pay(house, "owner", later, house.payer, key=key)
        other_body = await pay(house, "owner", later, house.payer, key=key, amount=7)

    assert (early.status, early.code) == (404, "payer_not_found")
    assert claimed.status == 202
    assert other_body.code == "idempotency_key_reuse"


async def test_while_the_database_is_away_a_person_pays_and_a_program_waits() -> None:
    database = await Database.connect("postgresql://nobody@127.0.0.1:1/nothing", name="tests")
    payers = Payers(database, SystemClock())
    some = candidate_of("key", "alice", "bob", 1)
    person = client_of(uuid4())
    found = await payers.owners(
        [
            replace(some, client_id=person, payment_id=uuid4()),
            replace(some, client_id="client:shop", payment_id=uuid4()),
        ]
    )
    await database.close()

    assert list(found.values()) == [person, None]
