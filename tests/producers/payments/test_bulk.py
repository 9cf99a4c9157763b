"""POST /payments/bulk: many payments, each answered on its own."""

from runtime import limits
from tests.producers.payments.router import BODY, Door, Router, router_in_memory, understood


async def test_each_payment_of_a_bulk_is_answered_on_its_own(router: Router) -> None:
    good = BODY | {"idempotency_key": "k1"}
    answer = await router.post(
        {
            "payments": [
                good,
                good,
                good | {"amount": 2},
                good | {"idempotency_key": "k2", "amount": 0},
                BODY,
                "not a payment",
                good | {"idempotency_key": "a b"},
                good | {"idempotency_key": "k3", "to_handle": "alice"},
            ]
        },
        path="/payments/bulk",
    )

    document = answer.document
    assert answer.status == 200
    assert [item["index"] for item in document["data"]] == list(range(8))
    assert [item["status"] for item in document["data"]] == [
        202,
        202,
        422,
        422,
        422,
        422,
        400,
        422,
    ]
    assert [item["replayed"] for item in document["data"][:2]] == [False, True]
    assert [item["problem"]["code"] for item in document["data"][2:]] == [
        "idempotency_key_reuse",
        "invalid_body",
        "invalid_body",
        "invalid_body",
        "invalid_idempotency_key",
        "self_payment",
    ]
    assert (document["accepted"], document["refused"]) == (2, 6)
    assert len(router.log.published) == 1


async def test_a_key_means_the_same_payment_alone_and_in_bulk(router: Router) -> None:
    alone = await router.post(key="k1")
    bulk = await router.post(
        {"payments": [BODY | {"idempotency_key": "k1"}]}, path="/payments/bulk"
    )

    assert bulk.document["data"][0]["id"] == alone.document["id"]
    one, other = map(understood, router.log.published)
    assert one.envelope.event_id == other.envelope.event_id


async def test_a_thousand_payments_are_taken_at_once_and_one_more_is_too_many() -> None:
    door = Door()
    door.is_open.set()
    async with router_in_memory(door) as router:
        items = [BODY | {"idempotency_key": str(number)} for number in range(1001)]
        answer = await router.post({"payments": items[:1000]}, path="/payments/bulk")
        refused = await router.post({"payments": items}, path="/payments/bulk")

    assert answer.document["accepted"] == 1000
    assert door.calls <= 1000 / limits.ACCEPT_BATCH_MAX
    assert (refused.status, refused.code) == (422, "invalid_body")
