"""The tier that a payer had when a payment was resolved, as the log tells it."""

from datetime import timedelta
from uuid import uuid5

from domain.client import client_of
from domain.limits import RiskLimits
from replay.tiers import Tiers
from runtime.unit import MemoryUnits
from schemas.account import AccountOpened, Tier
from schemas.person import PersonTierChanged
from tests.replay.test_shadow import Past
from tests.support.directory_events import opening_requested
from tests.support.events import ALICE, BOB
from tests.support.memory_stage import NOW, message_of

PERSON = uuid5(ALICE, "person")
CLIENT = client_of(PERSON)


def changed(tier: Tier, version: int) -> PersonTierChanged:
    return PersonTierChanged(
        request_id=uuid5(PERSON, str(version)),
        requested_at=NOW,
        person_id=PERSON,
        tier=tier,
        version=version,
        case_id=uuid5(PERSON, "case"),
    )


def test_each_tier_holds_from_its_append_on_and_a_repeat_changes_nothing() -> None:
    tiers = Tiers()
    opened = opening_requested(ALICE, tier=Tier.UNVERIFIED, client_id=CLIENT)
    tiers.open(AccountOpened(**opened.model_dump()))
    for tier, version, at_ms in (
        (Tier.VERIFIED, 1, 100),
        (Tier.BUSINESS, 2, 200),
        (Tier.VERIFIED, 1, 300),
    ):
        tiers.change(changed(tier, version), at_ms)

    held = [tiers.at(ALICE, at_ms) for at_ms in (99, 100, 199, 200, 301)]

    assert held == ["unverified", "verified", "verified", "business", "business"]
    assert tiers.at(BOB, 100) is None


async def test_a_payment_is_held_to_the_tier_that_its_payer_had_then() -> None:
    tables = {"unverified": 10, "verified": 100, "business": 100}
    then = RiskLimits.model_validate(
        {
            "tiers": {
                name: {
                    "payment_amount_minor_max": {"*": each},
                    "daily_amount_minor_max": {"*": 999},
                }
                for name, each in tables.items()
            },
            "unlimited": ["system"],
        }
    )
    past = Past(then)
    past.payers.open(ALICE, Tier.UNVERIFIED, CLIENT)
    [opening] = [each for each in past.log if each[1].key == str(ALICE).encode()]
    past.log.remove(opening)
    opened = opening_requested(ALICE, account_id=ALICE, tier=Tier.UNVERIFIED, client_id=CLIENT)
    past.log.append((NOW, message_of(AccountOpened(**opened.model_dump()))))
    await past.decide([(ALICE, 50, 0)])
    change = changed(Tier.VERIFIED, 1)
    async with MemoryUnits().begin() as unit:
        await past.payers.keep_tiers(unit, [change])
    # Told just before the second payment, and once more, as a relay may.
    past.log += [(past.second(1) - timedelta(milliseconds=1), message_of(change))] * 2
    await past.decide([(ALICE, 50, 1)])
    assert past.outcomes == ["amount_over_limit", "screened"]

    found = await past.under(then)

    assert (found.decided_alike, found.different) == (2, 0)
