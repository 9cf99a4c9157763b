"""What an endpoint may ask of the pool, and where the pool goes: the bounds of both."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr

from domain.webhook import BREAKER_FAILURES
from producers.webhook_delivery import limits, upkeep
from producers.webhook_delivery.pool import open_pool
from producers.webhook_delivery.results import drawn_out
from producers.webhook_delivery.sending import retry_after_s
from projections.webhook_events import ORDER_WAIT_S_MAX
from runtime.outgoing import limits as outgoing_limits
from runtime.settings import KeyProviderName, Profile
from tests.producers.webhook_delivery.place import Place, settle
from tests.support.name_service import SILENT, name_service
from tests.support.sink import Say

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
BEYOND_ALL_TIME = "Mon, 01 Jan 99999999999 00:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "pause_s"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("1" * 30, 111_111_111),
        ("Mon, 23 Nov 2026 10:01:30 GMT", 90),
        ("Mon, 23 Nov 2026 12:01:30 +0200", 90),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 10:01:30 -0000", None),
        (BEYOND_ALL_TIME, None),
        ("Mon, 23 Nov 2026 10:01:30 +99999999999999", None),
        ("-7", None),
        ("", None),
        ("soon", None),
        (None, None),
    ],
)
def test_a_pause_is_asked_for_in_seconds_or_by_a_date(
    value: str | None, pause_s: int | None
) -> None:
    assert retry_after_s(value, NOW) == pause_s


async def test_a_date_beyond_all_time_is_no_pause_and_the_delivery_is_had(place: Place) -> None:
    say = Say(200, headers=(("Retry-After", BEYOND_ALL_TIME),))
    async with place.sink(lambda _: say) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id)
        await settle(pool)
        [delivery] = await place.deliveries(endpoint)

    assert (delivery["state"], len(sink.received)) == ("delivered", 1)


def test_a_pause_is_drawn_out_by_a_fifth_at_most(place: Place) -> None:
    pauses = {drawn_out(100, place.clock).total_seconds() for _ in range(50)}

    assert len(pauses) > 1
    assert all(100 <= pause <= 120 for pause in pauses)


async def test_nothing_leads_to_this_machine_outside_the_demo(place: Place) -> None:
    strict = place.settings.model_copy(
        update={
            "profile": Profile.PRODUCTION,
            "key_provider": KeyProviderName.ENVIRONMENT,
            "keks": SecretStr("kek:" + "A" * 43 + "="),
        }
    )
    async with place.sink() as sink, open_pool(strict, clock=place.clock) as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id)
        await settle(pool)
        [delivery] = await place.deliveries(endpoint)

    assert (delivery["state"], delivery["last_outcome"]) == ("pending", "address_refused")
    assert sink.connections == 0


async def test_a_rate_is_kept_by_all_pools_together(place: Place) -> None:
    async with (
        place.sink() as sink,
        place.pool() as one,
        place.pool() as two,
        place.pool() as three,
    ):
        endpoint = await place.endpoint(sink.url(), rate_per_s=10)
        await place.tell(endpoint.client_id, count=60)
        began_at = place.clock.now()
        await asyncio.gather(settle(one), settle(two), settle(three))
        passed_s = (place.clock.now() - began_at).total_seconds()

    assert 10 <= len(sink.received) <= 10 * (1 + passed_s) + 1


async def test_all_pools_together_send_one_probe(place: Place) -> None:
    async with (
        place.sink(lambda _: Say(500)) as sink,
        place.pool() as one,
        place.pool() as two,
        place.pool() as three,
    ):
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=BREAKER_FAILURES)
        await settle(one)
        await place.tell(endpoint.client_id, count=20)
        place.clock.ahead += timedelta(seconds=8)
        await asyncio.gather(settle(one), settle(two), settle(three))

    assert len(sink.received) == BREAKER_FAILURES + 1


async def test_an_outcome_whose_request_never_comes_is_told_after_all(place: Place) -> None:
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url(), is_ordered=True)
        await place.tell(endpoint.client_id, subject=uuid4(), rank=3)
        place.clock.ahead += timedelta(seconds=ORDER_WAIT_S_MAX - 10)
        await pool.keep_up((upkeep.release_turns,))
        await settle(pool)
        too_early = len(sink.received)
        place.clock.ahead += timedelta(seconds=20)
        await pool.keep_up((upkeep.release_turns,))
        await settle(pool)

    assert (too_early, len(sink.received)) == (0, 1)


@pytest.mark.parametrize("state", ["delivered", "dead"])
async def test_a_turn_that_nobody_passed_on_is_passed_on_by_upkeep(
    place: Place, state: str
) -> None:
    """A stage and the pool that commit in the same moment see nothing of each other."""
    subject = uuid4()
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url(), is_ordered=True)
        await place.tell(
            endpoint.client_id, event_type="payment.requested.v1", subject=subject, rank=0
        )
        await place.tell(endpoint.client_id, subject=subject, rank=3)
        await place.execute(
            "UPDATE webhook_deliveries SET state = $2, finished_at = now()"
            " WHERE endpoint_id = $1 AND rank = 0",
            *(endpoint.endpoint_id, state),
        )
        await settle(pool)
        unheard = len(sink.received)
        await pool.keep_up((upkeep.release_turns,))
        await settle(pool)

    assert (unheard, len(sink.received)) == (0, 1)


async def test_a_delivery_whose_name_got_no_turn_has_lost_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another client's silent name holds up the only thread that looks names up."""
    monkeypatch.setattr(outgoing_limits, "LOOKUPS_MAX", 1)
    monkeypatch.setattr(outgoing_limits, "RESOLVE_S_MAX", 0.1)
    monkeypatch.setattr(outgoing_limits, "TURN_S_MAX", 0.05)
    with name_service(monkeypatch) as names:
        async with place.sink() as sink, place.pool() as pool:
            silent = await place.endpoint(f"https://a{SILENT}/")
            well = await place.endpoint(f"http://localhost:{sink.port}/hook")
            await place.tell(silent.client_id)
            await settle(pool)
            await place.tell(well.client_id)
            await settle(pool)
            [waits], row = await place.deliveries(well), await place.row(well)
            [failed] = await place.deliveries(silent)
            monkeypatch.setattr(outgoing_limits, "TURN_S_MAX", 5.0)
            names.speaks.set()
            place.clock.ahead += timedelta(seconds=limits.LEASE_S + 1)
            await settle(pool)
            [told] = await place.deliveries(well)

    assert (failed["last_outcome"], failed["tries"]) == ("unreachable", 1)
    assert (waits["state"], waits["last_outcome"], waits["tries"]) == ("pending", None, 0)
    assert (row["failures"], row["failing_since"]) == (0, None)
    assert (told["state"], told["tries"], len(sink.received)) == ("delivered", 1, 1)
