"""How often one may be wrong, whatever the order of tries; and where it is kept."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from producers.auth import limits
from producers.auth.metering import Meter, MeterKey, MeterKind, charge, refund
from producers.auth.meters import network_of
from runtime.settings import Settings
from tests.producers.auth.log import events_of
from tests.producers.auth.place import Auth, auth_at, some_address, some_email

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ADDRESS = MeterKey(MeterKind.ADDRESS, "here")
ACCOUNT = MeterKey(MeterKind.ACCOUNT, "somebody")
KNOWN = MeterKey(MeterKind.KNOWN, "somebody here")
OWN = (ADDRESS, ACCOUNT, KNOWN)


class Book:
    """Meters as the table keeps them."""

    def __init__(self) -> None:
        self.meters = {key: Meter() for key in OWN}

    def wrong(self, now: datetime, *keys: MeterKey) -> bool:
        charged = charge({key: self.meters[key] for key in keys or OWN}, now)
        self.meters |= charged.meters
        return charged.retry_after_s is None

    def right(self, now: datetime, *keys: MeterKey) -> bool:
        if not self.wrong(now, *keys):
            return False
        self.meters |= refund({key: self.meters[key] for key in keys or OWN}, now)
        return True


@given(st.lists(st.floats(0, 20), max_size=120))
def test_an_address_is_wrong_so_often_and_no_oftener(pauses_s: list[float]) -> None:
    book, now, allowed = Book(), NOW, []
    for pause_s in pauses_s:
        now += timedelta(seconds=pause_s)
        if book.wrong(now, ADDRESS):
            allowed.append(now)
    for first, last in itertools.combinations_with_replacement(range(len(allowed)), 2):
        span_s = (allowed[last] - allowed[first]).total_seconds()
        bound = limits.ADDRESS_FAILURES_MAX + span_s / limits.ADDRESS_FAILURE_S
        assert last - first + 1 <= bound + 1e-6


@given(st.lists(st.floats(0, 2_000), min_size=1, max_size=60))
def test_each_wrong_try_past_the_free_ones_blocks_for_longer_up_to_a_bound(
    pauses_s: list[float],
) -> None:
    book, now, allowed = Book(), NOW, []
    for pause_s in pauses_s:
        now += timedelta(seconds=pause_s)
        if book.wrong(now, ACCOUNT):
            allowed.append(now)
    blocked = allowed[limits.ACCOUNT_FAILURES_MAX - 1 :]
    for number, (before, after) in enumerate(itertools.pairwise(blocked)):
        least_s = min(limits.BLOCK_S * 2**number, limits.BLOCK_S_MAX)
        assert (after - before).total_seconds() >= least_s - 1e-6


def test_a_right_try_costs_its_address_nothing() -> None:
    book = Book()
    for _ in range(limits.ADDRESS_FAILURES_MAX * 3):
        assert book.right(NOW)


def test_a_right_try_does_not_forgive_its_address_the_wrong_ones() -> None:
    """Else one account of one's own would pay for guessing at all others."""
    book, wrong = Book(), 0
    for _ in range(100):
        wrong += book.wrong(NOW, ADDRESS)
        book.right(NOW)
    assert wrong <= limits.ADDRESS_FAILURES_MAX


def test_strangers_do_not_keep_somebody_out_where_they_signed_in_before() -> None:
    book = Book()
    assert book.right(NOW)
    stranger = MeterKey(MeterKind.KNOWN, "somebody elsewhere")
    book.meters[stranger] = Meter()
    for _ in range(100):
        book.wrong(NOW, ACCOUNT, stranger)

    assert not book.right(NOW, ACCOUNT, stranger)
    assert book.right(NOW)
    assert not book.right(NOW, ACCOUNT, stranger)
    elsewhen = NOW + timedelta(seconds=limits.KNOWN_ADDRESS_S + 1)
    assert book.right(elsewhen)


def test_wrong_tries_are_forgotten_after_a_day() -> None:
    book = Book()
    for _ in range(limits.ACCOUNT_FAILURES_MAX - 1):
        assert book.wrong(NOW, ACCOUNT)
    tomorrow = NOW + timedelta(seconds=limits.FAILURES_FORGOTTEN_S + 1)
    assert book.wrong(tomorrow, ACCOUNT)
    assert book.meters[ACCOUNT].blocked_until is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_is_what_one_customer_has(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_fifty_guesses_at_once_are_few_guesses(auth: Auth) -> None:
    """They are counted before they are looked at; and an unknown address is counted alike."""
    person = await auth.somebody()
    for email in (person.email, some_email()):
        answers = await asyncio.gather(
            *(auth.at(some_address()).login(email, f"guess {n}") for n in range(50))
        )
        looked_at = [answer for answer in answers if answer.status == 401]
        assert 1 <= len(looked_at) <= limits.ACCOUNT_FAILURES_MAX
        assert {answer.status for answer in answers} <= {401, 429, 503}
    told = await events_of(auth, person.user_id, until="user.blocked.v1")
    assert [value["failures"] for name, value in told if name == "user.blocked.v1"] == [5]

    stranger = await auth.at(some_address()).login(person.email)
    assert (stranger.status, stranger.code) == (429, "too_many_attempts")
    assert int(stranger.headers["retry-after"]) <= limits.BLOCK_S
    assert (await auth.login(person.email)).status == 200


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_neither_an_erased_cache_nor_another_process_lets_anybody_guess_anew(
    auth: Auth, settings: Settings
) -> None:
    address = some_address()
    while (answer := await auth.at(address).login(some_email(), "a guess")).status != 429:
        assert answer.status == 401
    assert settings.redis_url is not None
    cache = redis.asyncio.Redis.from_url(settings.redis_url.get_secret_value())
    await cache.flushall()
    await cache.aclose()

    assert (await auth.at(address).login(some_email(), "a guess")).status == 429
    async with auth_at(settings) as twin:
        assert (await twin.at(address).login(some_email(), "a guess")).status == 429
        assert (await twin.at(some_address()).login(some_email(), "a guess")).status == 401


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_registrations_are_metered_too(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    email = some_email()
    assert (await auth.register(email)).status == 201
    answers = [await auth.register(email) for _ in range(limits.REGISTRATIONS_MAX)]
    assert [answer.status for answer in answers] == [409] * (limits.REGISTRATIONS_MAX - 1) + [429]
