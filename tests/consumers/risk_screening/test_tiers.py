"""The payer's tier, as the log tells it: the highest version stands, whatever comes when."""

from functools import partial
from itertools import permutations
from uuid import UUID, uuid4, uuid5

import pytest

from consumers.risk_screening.handler import on_payments_resolved
from consumers.risk_screening.ports import Payers
from consumers.risk_screening.store import MemoryPayers, PostgresPayers
from domain.client import client_of
from domain.limits import RiskLimits
from domain.payment import RefusalCode
from runtime.database import Database
from runtime.stage import Stage
from runtime.unit import MemoryUnits, PostgresUnits
from schemas.account import Tier
from schemas.payment import PaymentRefused, PaymentScreened
from schemas.person import PersonTierChanged
from tests.support.events import ALICE, payment_id, resolved
from tests.support.memory_stage import NOW, MemoryStage

PERSON = UUID("9e150000-0000-4000-8000-000000000001")


def tier_limits(amount_minor_max: int) -> dict[str, object]:
    table = {"*": amount_minor_max}
    return {"payment_amount_minor_max": table, "daily_amount_minor_max": {"*": 10**9}}


LIMITS = RiskLimits.model_validate(
    {"tiers": {"unverified": tier_limits(10), "verified": tier_limits(1000)}}
)


def changed(tier: Tier, version: int, *, person_id: UUID = PERSON) -> PersonTierChanged:
    return PersonTierChanged(
        request_id=uuid5(person_id, str(version)),
        requested_at=NOW,
        person_id=person_id,
        tier=tier,
        version=version,
        case_id=uuid5(person_id, "case"),
    )


def stage_of(payers: MemoryPayers) -> MemoryStage:
    handler = partial(on_payments_resolved, payers=payers, limits=LIMITS)
    return MemoryStage(Stage("risk_screening", handler))


async def test_a_better_known_person_may_send_more_from_each_of_their_accounts() -> None:
    payers, other = MemoryPayers(), payment_id("another account")
    for account_id in (ALICE, other):
        payers.open(account_id, "unverified", client_of(PERSON))
    stage = stage_of(payers)
    await stage.deliver(resolved(payment_id=payment_id("before"), amount_minor=11))
    await stage.deliver(changed(Tier.VERIFIED, 1))
    await stage.deliver(
        resolved(payment_id=payment_id("after"), amount_minor=11),
        resolved(payment_id=payment_id("other"), payer_account_id=other, amount_minor=1000),
    )

    before, after, of_other = stage.distinct_published()

    assert isinstance(before, PaymentRefused)
    assert before.code is RefusalCode.AMOUNT_OVER_LIMIT
    assert isinstance(after, PaymentScreened)
    assert isinstance(of_other, PaymentScreened)


async def test_tiers_and_payments_of_one_batch_each_get_their_own_outcome() -> None:
    payers = MemoryPayers()
    payers.open(ALICE, "unverified", client_of(PERSON))
    stage = stage_of(payers)

    await stage.deliver(
        resolved(payment_id=payment_id("one"), amount_minor=500),
        changed(Tier.VERIFIED, 1),
        resolved(payment_id=payment_id("two"), amount_minor=1001),
    )

    one, two = stage.distinct_published()
    assert isinstance(one, PaymentScreened)
    assert one.payment_id == payment_id("one")
    assert isinstance(two, PaymentRefused)
    assert two.payment_id == payment_id("two")


async def test_a_batch_that_dies_before_its_commit_leaves_no_tier() -> None:
    payers = MemoryPayers()
    payers.open(ALICE, "unverified", client_of(PERSON))
    stage = stage_of(payers)
    await stage.deliver(changed(Tier.VERIFIED, 1), crash_before_commit=True)
    await stage.deliver(resolved(amount_minor=11))
    [event] = stage.distinct_published()
    assert isinstance(event, PaymentRefused)


async def _tier(payers: Payers, units: MemoryUnits | PostgresUnits, account_id: UUID) -> str:
    async with units.begin() as unit:
        return (await payers.read(unit, [account_id]))[account_id].tier


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
async def test_in_any_order_and_twice_the_last_tier_stands(order: tuple[int, ...]) -> None:
    payers, units = MemoryPayers(), MemoryUnits()
    payers.open(ALICE, "unverified", client_of(PERSON))
    tiers = {1: Tier.VERIFIED, 2: Tier.UNVERIFIED, 3: Tier.BUSINESS}
    for version in (*order, *order):
        async with units.begin() as unit:
            await payers.keep_tiers(unit, [changed(tiers[version], version)])
    assert await _tier(payers, units, ALICE) == "business"


@pytest.mark.real
async def test_the_tables_keep_tiers_as_memory_does(database_dsn: str) -> None:
    database = await Database.connect(database_dsn, name="tests")
    units, payers = PostgresUnits(database), PostgresPayers()
    person_id, account_id, system = uuid4(), uuid4(), uuid4()
    async with database.connection() as connection:
        for opened, client, tier in (
            (account_id, client_of(person_id), "unverified"),
            (system, "titan", "system"),
        ):
            await connection.execute(
                "INSERT INTO accounts VALUES ($1, $2, 'wallet', $3, 'USD', now())",
                *(opened, client, tier),
            )
    assert await _tier(payers, units, account_id) == "unverified"
    for batch in ([3, 1], [2], [3]):
        tiers = {1: Tier.VERIFIED, 2: Tier.UNVERIFIED, 3: Tier.BUSINESS}
        async with units.begin() as unit:
            await payers.keep_tiers(
                unit, [changed(tiers[version], version, person_id=person_id) for version in batch]
            )
    assert await _tier(payers, units, account_id) == "business"
    assert await _tier(payers, units, system) == "system"
    await database.close()
