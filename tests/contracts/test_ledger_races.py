"""The ledger on PostgreSQL when several units want the same money at once."""

import asyncio
import random
from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise
from uuid import uuid4

import asyncpg
import pytest

from domain.account import NO_MINIMUM_MINOR, AccountOpening, Opened
from domain.errors import Defect, Unavailable
from domain.hold import Capture, Ended, HoldEnd, HoldRefused
from domain.posting import LedgerRefusal, Posted, Posting
from runtime.database import Connection
from tests.contracts.ledger_place import NOW, Place, codes, hold_on, postgres_place, transfer
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

CONNECTIONS = 10
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'"""


@pytest.fixture
async def place(database_dsn: str) -> AsyncIterator[Place]:
    async with postgres_place(database_dsn, connections=CONNECTIONS) as place:
        yield place


@pytest.fixture
async def onlooker(database_dsn: str) -> AsyncIterator[Connection]:
    """A connection that is not the application's: it may see what others wait for."""
    connection = await asyncpg.connect(database_dsn, timeout=5, command_timeout=5)
    yield connection
    await connection.close()


async def some_wait(onlooker: Connection, number: int = 1) -> bool:
    """Whether so many wait for what others have locked."""
    return bool(await onlooker.fetchval(WAITING) == number)


async def test_units_that_name_accounts_in_opposite_order_do_not_deadlock(place: Place) -> None:
    wallets = [await place.open_with(1_000) for _ in range(8)]
    forth = list(pairwise(wallets))
    back = [(payee, payer) for payer, payee in reversed(forth)]
    rounds = [[transfer(payer, payee, 1) for payer, payee in pairs] for pairs in (forth, back) * 20]
    results = await asyncio.gather(*(place.post(*batch) for batch in rounds))
    assert all(isinstance(result, Posted) for answered in results for result in answered)
    assert sum(await place.balances_minor(*wallets)) == 8_000


async def test_the_last_money_is_spent_once(place: Place) -> None:
    alice, shops = await place.open_with(100), [await place.open() for _ in range(CONNECTIONS)]
    answered = await asyncio.gather(*(place.post(transfer(alice, shop, 100)) for shop in shops))
    outcomes = [code for results in answered for code in codes(results)]
    assert sorted(outcomes, key=str) == [None, *["insufficient_funds"] * (CONNECTIONS - 1)]
    assert sum(await place.balances_minor(alice, *shops)) == 100


async def test_a_zombie_that_posts_the_same_ids_gets_the_first_result(
    place: Place, onlooker: Connection
) -> None:
    alice, bob = await place.open_with(100), await place.open()
    batch = [transfer(alice, bob, amount_minor) for amount_minor in (10, 20, 30)]
    async with place.units.begin() as unit:
        first = await place.ledger.post(batch, unit=unit)
        place.time.pass_by(minutes=1)
        zombie = asyncio.create_task(place.post(*batch[::-1]))
        await eventually(partial(some_wait, onlooker))
    assert await zombie == first[::-1]
    assert await place.balances_minor(alice, bob) == [40, 60]


async def test_of_two_contents_under_one_id_at_once_one_is_recorded(
    place: Place, onlooker: Connection
) -> None:
    """They share no account, so nothing makes the later wait before it tries to write."""
    alice, bob = await place.open_with(100), await place.open()
    carol, dave = await place.open_with(100), await place.open()
    sent = transfer(alice, bob, 10)
    other = transfer(carol, dave, 10, posting_id=sent.posting_id)
    async with place.units.begin() as unit:
        await place.ledger.post([sent], unit=unit)
        later = asyncio.create_task(place.post(other))
        await eventually(partial(some_wait, onlooker))
    with pytest.raises(Unavailable):
        await later
    with pytest.raises(Defect):
        await place.post(other)
    assert await place.balances_minor(alice, bob, carol, dave) == [90, 10, 100, 0]


async def test_a_hold_that_is_captured_voided_and_expired_at_once_ends_once(place: Place) -> None:
    alice, bank = await place.open_with(1_000), await place.open()
    holds = [hold_on(alice, 10, NOW) for _ in range(30)]
    await place.hold(*holds)
    captures = [Capture(hold.hold_id, transfer(alice, bank, 10)) for hold in holds]
    captured, voided, expired = await asyncio.gather(
        asyncio.gather(*(place.capture(capture) for capture in captures)),
        asyncio.gather(*(place.void(hold.hold_id) for hold in holds)),
        asyncio.gather(*(place.expire(limit=7) for _ in range(4))),
    )
    ended = {
        HoldEnd.CAPTURED: sum(isinstance(result, Posted) for [result] in captured),
        HoldEnd.VOIDED: sum(isinstance(result, Ended) for [result] in voided),
        HoldEnd.EXPIRED: sum(len(results) for results in expired),
    }
    assert sum(ended.values()) == len(holds)
    account = await place.account(alice)
    assert (account.balance_minor, account.held_minor) == (1_000 - 10 * ended[HoldEnd.CAPTURED], 0)


async def test_a_hold_that_appears_while_a_void_waits_is_not_known_to_it(
    place: Place, onlooker: Connection
) -> None:
    alice, bob = await place.open_with(100), await place.open_with(100)
    placed, coming = hold_on(alice, 10), hold_on(bob, 10)
    await place.hold(placed)
    async with place.units.begin() as unit:
        await place.ledger.hold([coming, hold_on(alice, 20)], unit=unit)
        voiding = asyncio.create_task(place.void(placed.hold_id, coming.hold_id))
        await eventually(partial(some_wait, onlooker))
    assert await voiding == [
        Ended(placed.hold_id, HoldEnd.VOIDED, NOW),
        HoldRefused(coming.hold_id, LedgerRefusal.UNKNOWN_HOLD),
    ]
    held = await place.reader.balances([alice, bob])
    assert [held[one].held_minor for one in (alice, bob)] == [20, 10]


async def test_units_that_open_accounts_in_opposite_order_do_not_deadlock(
    place: Place, onlooker: Connection
) -> None:
    """All want the one in the middle first, and wait there with what they have."""
    first, middle, last = (
        AccountOpening(account_id, "USD") for account_id in sorted(uuid4() for _ in range(3))
    )

    async def open_all(*batch: AccountOpening) -> list[Opened]:
        async with place.units.begin() as unit:
            return await place.ledger.open(batch, unit=unit)

    async with place.units.begin() as unit:
        await place.ledger.open([middle], unit=unit)
        forth = asyncio.create_task(open_all(first, middle, last))
        back = asyncio.create_task(open_all(last, middle, first))
        await eventually(partial(some_wait, onlooker, 2))
    assert await forth == (await back)[::-1]


async def test_whoever_looks_while_money_moves_sees_books_that_balance(
    place: Place, onlooker: Connection
) -> None:
    system = await place.open(NO_MINIMUM_MINOR)
    wallets = [await place.open() for _ in range(5)]
    names = [system, *wallets]
    done = asyncio.Event()

    async def look() -> int:
        looks = 0
        while not done.is_set() or not looks:
            async with onlooker.transaction(isolation="repeatable_read", readonly=True):
                balances = await onlooker.fetch(
                    "SELECT account_id, balance_minor, entry_count FROM ledger_accounts "
                    "WHERE account_id = ANY($1::uuid[])",
                    names,
                )
                history = await onlooker.fetch(
                    "SELECT account_id, sum(amount_minor)::bigint, count(*) "
                    "FROM ledger_entries WHERE account_id = ANY($1::uuid[]) "
                    "GROUP BY account_id",
                    names,
                )
            added = {account_id: (total, count) for account_id, total, count in history}
            assert sum(balance for _, balance, _ in balances) == 0
            for account_id, balance_minor, count in balances:
                assert added.get(account_id, (0, 0)) == (balance_minor, count)
                assert balance_minor >= 0 or account_id == system
            looks += 1
        return looks

    async def move(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            batch: list[Posting] = []
            for _ in range(10):
                payer, payee = chance.sample(names, k=2)
                batch.append(transfer(payer, payee, chance.randint(1, 50)))
            await place.post(*batch)

    watching = asyncio.create_task(look())
    await asyncio.gather(*(move(seed) for seed in range(4)))
    done.set()
    assert await watching > 0
