"""Wallets: opened through the log, read from the ledger, each seen by its owner only."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from domain.account import NO_MINIMUM_MINOR, AccountOpening
from domain.posting import Entry, Posting
from ledger_adapter.postgres import PostgresLedger
from runtime.clock import SystemClock
from runtime.unit import PostgresUnits
from tests.producers.payments.place import Place
from tests.producers.payments.router import Router
from tests.support.alone import NOBODY

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

USD = {"currency": "USD"}


@pytest.fixture
async def router(place: Place) -> AsyncIterator[Router]:
    """The router, with the stage that opens accounts behind it."""
    async with place.account_opening(), place.router() as router:
        yield router


async def open_wallet(router: Router, client: str = "demo") -> str:
    answer = await router.post(
        USD, path="/accounts", headers=[("test-client", client), ("prefer", "wait=10")]
    )
    assert answer.status == 201
    account_id: str = answer.document["id"]
    return account_id


async def test_a_wallet_is_opened_empty(router: Router, key: str) -> None:
    answer = await router.post(USD, key=key, path="/accounts", headers=[("prefer", "wait=10")])
    account = await router.get(answer.headers["location"])

    assert (answer.status, answer.document["state"]) == (201, "open")
    assert account.document | {"requested_at": None, "links": None} == {
        "id": answer.document["id"],
        "state": "open",
        "currency": "USD",
        "tier": "unverified",
        "balance": 0,
        "held": 0,
        "available": 0,
        "requested_at": None,
        "links": None,
    }


async def test_the_same_key_opens_one_wallet_and_another_currency_is_refused(
    router: Router, key: str
) -> None:
    wait = [("prefer", "wait=10")]
    first = await router.post(USD, key=key, path="/accounts", headers=wait)
    again = await router.post(USD, key=key, path="/accounts", headers=wait)
    other = await router.post({"currency": "EUR"}, key=key, path="/accounts", headers=wait)

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (422, "idempotency_key_reuse")


async def test_without_the_stage_a_wallet_is_promised(place: Place, key: str) -> None:
    async with place.router() as router:
        answer = await router.post(USD, key=key, path="/accounts", headers=[("prefer", "wait=0")])

        account = await router.get(answer.headers["location"])
        hidden = await router.get(answer.headers["location"], headers=[("test-client", "shop")])
        other = await router.post({"currency": "EUR"}, key=key, path="/accounts")

    assert (answer.status, answer.document["state"]) == (202, "opening")
    assert answer.headers["location"] == f"/accounts/{answer.document['id']}"
    assert (account.status, account.document) == (200, answer.document)
    assert hidden.status == 404
    assert (other.status, other.code) == (422, "idempotency_key_reuse")


async def test_another_clients_wallet_is_not_found(router: Router) -> None:
    account_id = await open_wallet(router)

    for path in (f"/accounts/{account_id}", f"/accounts/{account_id}/entries"):
        assert (await router.get(path)).status == 200
        for answer in (
            await router.get(path, headers=[("test-client", "shop")]),
            await router.get(path.replace(account_id, str(uuid4()))),
        ):
            assert (answer.status, answer.code) == (404, "account_not_found")


async def test_entries_show_the_balance_that_each_left(place: Place, router: Router) -> None:
    account_id = await open_wallet(router)
    await _pay_in(place, UUID(account_id), [500, 300, 200])

    account = await router.get(f"/accounts/{account_id}")
    first = await router.get(f"/accounts/{account_id}/entries?limit=2")
    rest = await router.get(
        f"/accounts/{account_id}/entries?limit=2&cursor={first.document['next_cursor']}"
    )

    assert account.document["balance"] == account.document["available"] == 1000
    shown = [*first.document["data"], *rest.document["data"]]
    assert [(entry["sequence"], entry["amount"], entry["balance_after"]) for entry in shown] == [
        (3, 200, 1000),
        (2, 300, 800),
        (1, 500, 500),
    ]
    assert rest.document["next_cursor"] is None


async def test_without_a_database_nothing_is_said_of_wallets(place: Place) -> None:
    async with place.router(
        postgres_dsn=SecretStr(f"postgresql://nobody@{NOBODY}/nothing")
    ) as router:
        answer = await router.get(f"/accounts/{uuid4()}")

    assert (answer.status, answer.code) == (503, "unavailable")


async def _pay_in(place: Place, account_id: UUID, amounts_minor: list[int]) -> None:
    ledger = PostgresLedger(now=SystemClock().now)
    source_id = uuid4()
    async with place.database() as database, PostgresUnits(database).begin() as unit:
        await ledger.open([AccountOpening(source_id, "USD", NO_MINIMUM_MINOR)], unit=unit)
        await ledger.post(
            [
                Posting(
                    uuid4(),
                    "USD",
                    (Entry(source_id, -amount_minor), Entry(account_id, amount_minor)),
                )
                for amount_minor in amounts_minor
            ],
            unit=unit,
        )
