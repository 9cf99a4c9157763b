"""What POST /payments does while the broker is up, and while it is not; all else is down."""

import asyncio
from collections import Counter
from uuid import UUID

from domain.errors import Invalid, Unavailable, Unknown
from domain.payment import PaymentType
from producers.payments.decide import DESCRIPTION_PURPOSE
from runtime import limits
from runtime.fingerprints import keyed_fingerprint
from runtime.http.body import fingerprint_of
from runtime.vault import Vault
from tests.producers.payments.router import BODY, Door, Router, router_in_memory, understood


async def test_a_payment_is_published_as_it_was_asked_for(router: Router) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    answer = await router.post(key="k1", headers=[("traceparent", trace)])

    [message] = router.log.published
    delivered = understood(message)
    event = delivered.event
    assert answer.status == 202
    assert answer.headers["location"] == f"/payments/{event.payment_id}"
    assert answer.document == {
        "id": str(event.payment_id),
        "state": "requested",
        "links": {
            "self": f"/payments/{event.payment_id}",
            "events": f"/payments/{event.payment_id}/events",
        },
    }
    assert (event.client_id, event.from_handle, event.to_handle) == ("demo", "alice", "bob")
    assert (event.amount_minor, event.currency) == (1000, "USD")
    assert event.payment_type is PaymentType.WALLET
    assert message.key == b"alice"
    assert delivered.envelope.idempotency_id == event.payment_id
    assert delivered.envelope.traceparent == trace


async def test_the_description_travels_sealed(router: Router) -> None:
    await router.post(BODY | {"description": "for the canary"})

    [message] = router.log.published
    sealed = understood(message).event.description_sealed
    assert b"canary" not in message.value
    assert sealed is not None
    assert Vault(bytes(32)).open(sealed, DESCRIPTION_PURPOSE) == "for the canary"


async def test_no_fingerprint_lets_others_try_what_a_description_said(router: Router) -> None:
    await router.post()
    await router.post({"payments": [BODY | {"idempotency_key": "k"}]}, path="/payments/bulk")
    async with router_in_memory() as other:
        await other.post()

    messages = [*router.log.published, *other.log.published]
    [fingerprint] = {understood(message).event.fingerprint for message in messages}
    plain = fingerprint_of(BODY)
    assert fingerprint == keyed_fingerprint(plain, Vault(bytes(32)))
    assert not any(plain.encode() in message.value for message in messages)


async def test_handles_are_published_in_their_one_spelling(router: Router) -> None:
    await router.post(BODY | {"from_handle": "@ALICE", "to_handle": "\uff22ob"})

    event = understood(router.log.published[0]).event
    assert (event.from_handle, event.to_handle) == ("alice", "bob")


async def test_a_description_is_composed_before_it_is_measured(router: Router) -> None:
    answer = await router.post(BODY | {"description": "e\u0301" * 140})

    assert answer.status == 202


async def test_the_same_key_is_the_same_payment_also_when_nothing_is_remembered(
    router: Router,
) -> None:
    first = await router.post(key="k")
    again = await router.post(key='"k"')

    assert (again.status, again.body) == (first.status, first.body)
    one, other = map(understood, router.log.published)
    assert one.envelope.event_id == other.envelope.event_id


async def test_a_key_that_nobody_could_be_asked_about_is_published_as_unproven(
    router: Router,
) -> None:
    await router.post(key="k")
    await router.post()

    keyed, made_here = (understood(message).event for message in router.log.published)
    assert keyed.is_key_unproven
    assert not made_here.is_key_unproven


async def test_another_body_under_the_same_key_is_another_event_of_the_same_payment(
    router: Router,
) -> None:
    await router.post(key="k")
    await router.post(BODY | {"amount": 1}, key="k")

    one, other = map(understood, router.log.published)
    assert one.event.payment_id == other.event.payment_id
    assert one.envelope.event_id != other.envelope.event_id


async def test_the_order_of_keys_and_spaces_do_not_change_a_body(router: Router) -> None:
    await router.post(BODY, key="k")
    await router.post(dict(reversed(BODY.items())), key="k")

    assert len({understood(message).event.fingerprint for message in router.log.published}) == 1


async def test_a_request_without_a_key_is_given_one_that_can_be_repeated(router: Router) -> None:
    first = await router.post()

    again = await router.post(key=first.headers["idempotency-key"])

    assert again.body == first.body


async def test_without_keys_two_equal_requests_are_two_payments(router: Router) -> None:
    answers = [await router.post() for _ in range(2)]

    assert answers[0].document["id"] != answers[1].document["id"]


async def test_a_key_is_demanded_where_the_settings_say_so() -> None:
    async with router_in_memory(require_idempotency_key=True) as router:
        answer = await router.post()

        assert (answer.status, answer.code) == (400, "idempotency_key_required")
        assert (await router.post(key="k")).status == 202
        assert len(router.log.published) == 1


async def test_twenty_at_once_with_one_key_are_one_payment() -> None:
    door = Door()
    async with router_in_memory(door) as router:
        asking = [asyncio.create_task(router.post(key="k")) for _ in range(20)]
        await asyncio.sleep(0)
        door.is_open.set()
        answers = await asyncio.gather(*asking)

    assert len(door.published) == 1
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    replayed = Counter(answer.headers.get("idempotent-replayed") for answer in answers)
    assert replayed == {None: 1, "true": 19}


async def test_at_once_with_one_key_and_another_body_one_is_told_so() -> None:
    door = Door()
    async with router_in_memory(door) as router:
        asking = [
            asyncio.create_task(router.post(BODY | {"amount": amount}, key="k"))
            for amount in (1, 2)
        ]
        await asyncio.sleep(0)
        door.is_open.set()
        answers = await asyncio.gather(*asking)

    assert sorted(answer.status for answer in answers) == [202, 422]
    assert {answer.code for answer in answers} == {None, "idempotency_key_reuse"}
    assert len(door.published) == 1


async def test_requests_that_arrive_together_are_published_together() -> None:
    door = Door()
    door.is_open.set()
    async with router_in_memory(door) as router:
        await asyncio.gather(*(router.post() for _ in range(100)))

    assert len(door.published) == 100
    assert door.calls < 10


async def test_no_acknowledgement_in_time_is_unknown_and_never_failed() -> None:
    door = Door()
    door.failure = Unknown("no acknowledgement")
    door.is_open.set()
    async with router_in_memory(door) as router:
        answer = await router.post(key="k")

        assert (answer.status, answer.code) == (503, "outcome_unknown")
        assert answer.document["state"] == "unknown"
        assert answer.headers["retry-after"] == str(limits.UNAVAILABLE_RETRY_AFTER_S)

        door.failure = None
        again = await router.post(key="k")
    assert again.status == 202
    assert again.document["id"] == str(understood(door.published[0]).event.payment_id)


async def test_work_that_somebody_ends_is_unknown_and_strands_no_repeat() -> None:
    door = Door()
    door.failure = asyncio.CancelledError()
    door.is_open.set()
    async with router_in_memory(door) as router:
        answer = await router.post(key="k")
        door.failure = None
        again = await router.post(key="k")

    assert (answer.status, answer.code) == (503, "outcome_unknown")
    assert again.status == 202


async def test_an_unknown_outcome_without_a_key_comes_with_the_key_to_repeat() -> None:
    door = Door()
    door.failure = Unknown("no acknowledgement")
    door.is_open.set()
    async with router_in_memory(door) as router:
        answer = await router.post()

    assert answer.status == 503
    assert str(UUID(answer.headers["idempotency-key"])) == answer.headers["idempotency-key"]


async def test_what_was_certainly_not_sent_is_unavailable() -> None:
    door = Door()
    door.failure = Unavailable("too many wait")
    door.is_open.set()
    async with router_in_memory(door) as router:
        answer = await router.post()

    assert (answer.status, answer.code) == (503, "unavailable")
    assert "state" not in answer.document
    assert "retry-after" in answer.headers


async def test_what_nobody_foresaw_is_500_without_its_words() -> None:
    door = Door()
    door.failure = RuntimeError("the canary sang")
    door.is_open.set()
    async with router_in_memory(door) as router:
        answer = await router.post()
        bulk = await router.post(
            {"payments": [BODY | {"idempotency_key": f"k{n}"} for n in range(2)]},
            path="/payments/bulk",
        )

    assert (answer.status, answer.code) == (500, "internal_error")
    assert (bulk.status, bulk.code) == (500, "internal_error")
    assert b"canary" not in answer.body + bulk.body


async def test_a_client_that_hangs_up_does_not_stop_its_payment() -> None:
    door = Door()
    async with router_in_memory(door) as router:
        asking = asyncio.create_task(router.post(key="k"))
        await door.was_called.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        door.is_open.set()

    assert len(door.published) == 1


async def test_an_edge_that_stops_finishes_what_it_took_in() -> None:
    door = Door()
    async with router_in_memory(door) as router:
        asking = asyncio.create_task(router.post())
        await door.was_called.wait()
        asyncio.get_running_loop().call_soon(door.is_open.set)

    assert len(door.published) == 1
    assert (await asking).status == 202


async def test_a_full_pipeline_turns_payments_away(router: Router) -> None:
    class Full:
        records = router.app.state.resources.settings.admission_lag_records_max

    router.app.state.edge.lag = Full()

    answer = await router.post()

    assert (answer.status, answer.code) == (429, "pipeline_full")
    assert answer.headers["retry-after"] == str(limits.LAG_RETRY_AFTER_S)
    assert router.log.published == []


async def test_without_a_sample_of_the_lag_payments_are_let_in(router: Router) -> None:
    assert router.app.state.edge.lag.records is None

    assert (await router.post()).status == 202


async def test_a_record_that_is_too_large_is_the_fault_of_the_request() -> None:
    door = Door()
    door.failure = Invalid("record_too_large", "a record has at most so many bytes")
    door.is_open.set()
    async with router_in_memory(door) as router:
        answer = await router.post()

    assert (answer.status, answer.code) == (422, "record_too_large")
