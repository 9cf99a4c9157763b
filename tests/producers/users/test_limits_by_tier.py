"""A tier that two reviewers gave is what risk screening holds the next payment to."""

from uuid import uuid4

import pytest

from runtime.clock import SystemClock
from runtime.publisher import KafkaPublisher
from schemas.payment import PaymentResolved
from tests.producers.users.place import Place, Somebody
from tests.producers.users.test_kyc import submitted
from tests.support.events import resolved
from tests.support.memory_stage import message_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

OVER_UNVERIFIED_MINOR = 100_001


async def test_a_verified_person_may_send_what_an_unverified_one_may_not(
    place: Place, alice: Somebody
) -> None:
    async with place.stages("account_opening", "risk_screening"):
        wallet = (await alice.post("/users/me/wallets", {"currency": "USD"}))["id"]
        before = await screened(place, wallet)
        assert before == "refused"
        case = f"/admin/kyc/cases/{await submitted(alice)}"
        first, second = alice.other("kyc-reviewer"), alice.other("kyc-reviewer")
        await first.post(f"{case}/take")
        await first.post(f"{case}/approve")
        assert await screened(place, wallet) == "refused"

        await second.post(f"{case}/approve")

        async def is_higher() -> bool:
            return await screened(place, wallet) == "screened"

        await eventually(is_higher)


async def screened(place: Place, wallet: str) -> str:
    """What risk screening says of a payment from the wallet over what an unverified may send."""
    event = PaymentResolved.model_validate(
        resolved(payment_id=uuid4(), amount_minor=OVER_UNVERIFIED_MINOR).model_dump()
        | {"payer_account_id": wallet, "accepted_at": SystemClock().now()}
    )
    bootstrap = place.settings.kafka_bootstrap
    assert bootstrap is not None
    publisher = KafkaPublisher(
        bootstrap, prefix=place.settings.topic_prefix, settings=place.settings, role="tests"
    )
    try:
        await publisher.publish([message_of(event)], deadline_s=10)
    finally:
        await publisher.stop()
    named = str(event.payment_id)

    async def outcome() -> str:
        for word in ("refused", "screened"):
            if await place.told_of(f"payment.{word}.v1", named):
                return word
        return ""

    return await eventually(outcome)
