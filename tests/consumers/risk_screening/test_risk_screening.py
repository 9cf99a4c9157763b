from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.risk_screening.app import load_limits
from consumers.risk_screening.decide import PayerState, decide_batch
from consumers.risk_screening.handler import on_payments_resolved
from consumers.risk_screening.store import MemoryPayers
from domain.errors import Defect, Invalid
from domain.limits import RiskLimits
from domain.payment import RefusalCode
from runtime.settings import Settings
from runtime.stage import Stage
from schemas.payment import PaymentRefused, PaymentScreened
from tests.support.events import ALICE, payment_id, resolved
from tests.support.memory_stage import NOW, MemoryStage

LIMITS = RiskLimits.model_validate(
    {
        "tiers": {
            "unverified": {
                "payment_amount_minor_max": {"USD": 1000, "*": 10},
                "daily_amount_minor_max": {"USD": 2500, "*": 25},
                "velocity": {"payments_max": 4, "window_s": 60},
            }
        },
        "unlimited": ["system"],
    }
)
UNVERIFIED = {ALICE: PayerState("unverified")}


def codes(amounts: list[int], *, currency: str = "USD", gap_s: int = 0) -> list[str]:
    events = [
        resolved(
            payment_id=payment_id(str(number)),
            amount_minor=amount,
            currency=currency,
            accepted_at=NOW + timedelta(seconds=number * gap_s),
        )
        for number, amount in enumerate(amounts)
    ]
    outcomes, _ = decide_batch(events, UNVERIFIED, LIMITS)
    return ["ok" if isinstance(item, PaymentScreened) else item.code for item in outcomes]


def test_a_payment_over_the_limit_is_refused_and_the_limit_itself_is_not() -> None:
    assert codes([1000, 1001]) == ["ok", RefusalCode.AMOUNT_OVER_LIMIT]


def test_within_a_batch_each_payment_sees_those_before_it() -> None:
    assert codes([1000, 1000, 501, 500]) == ["ok", "ok", RefusalCode.DAILY_LIMIT, "ok"]


def test_a_currency_not_named_takes_the_general_limit() -> None:
    assert codes([10, 11], currency="EUR") == ["ok", RefusalCode.AMOUNT_OVER_LIMIT]


def test_velocity_counts_within_its_window_only() -> None:
    assert codes([1] * 5) == ["ok"] * 4 + [RefusalCode.VELOCITY]
    assert codes([1] * 5, gap_s=20) == ["ok"] * 5
    # The instant at which a window ends belongs to the next.
    assert codes([1] * 5, gap_s=15) == ["ok"] * 5
    assert codes([1] * 5, gap_s=14) == ["ok"] * 4 + [RefusalCode.VELOCITY]


def test_a_new_day_begins_at_midnight_utc() -> None:
    before = NOW.replace(hour=23, minute=59)
    events = [
        resolved(payment_id=payment_id(str(n)), accepted_at=before + timedelta(minutes=n))
        for n in range(3)
    ]
    outcomes, after = decide_batch(events, UNVERIFIED, LIMITS)

    assert all(isinstance(outcome, PaymentScreened) for outcome in outcomes)
    assert after[ALICE].day_amount_minor == 2000


def test_a_late_record_of_yesterday_counts_today() -> None:
    today, late = resolved(), resolved(accepted_at=NOW - timedelta(days=1))
    _, after = decide_batch([today, late], UNVERIFIED, LIMITS)

    assert after[ALICE].day == NOW.date()
    assert after[ALICE].day_amount_minor == 2000


def test_titans_own_accounts_are_not_screened() -> None:
    [outcome], _ = decide_batch(
        [resolved(amount_minor=10**12)], {ALICE: PayerState("system")}, LIMITS
    )
    assert isinstance(outcome, PaymentScreened)


def test_an_account_nobody_opened_is_refused() -> None:
    [outcome], _ = decide_batch([resolved()], {}, LIMITS)

    assert isinstance(outcome, PaymentRefused)
    assert outcome.code is RefusalCode.UNKNOWN_ACCOUNT


def test_a_tier_without_limits_is_a_defect_not_a_free_pass() -> None:
    with pytest.raises(Defect):
        decide_batch([resolved()], {ALICE: PayerState("gold")}, LIMITS)


@given(st.lists(st.integers(1, 1500), max_size=30), st.integers(0, 30))
def test_split_into_batches_anyhow_the_decisions_are_the_same(amounts: list[int], cut: int) -> None:
    events = [
        resolved(payment_id=payment_id(str(number)), amount_minor=amount)
        for number, amount in enumerate(amounts)
    ]
    whole, _ = decide_batch(events, UNVERIFIED, LIMITS)
    head, between = decide_batch(events[:cut], UNVERIFIED, LIMITS)
    tail, after = decide_batch(events[cut:], between, LIMITS)

    assert head + tail == whole
    assert after[ALICE].day_amount_minor <= 2500


async def test_a_redelivery_does_not_count_twice() -> None:
    payers = MemoryPayers()
    payers.open(ALICE, "unverified")
    stage = MemoryStage(
        Stage("risk_screening", partial(on_payments_resolved, payers=payers, limits=LIMITS))
    )

    await stage.deliver(resolved(), crash_before_commit=True)
    for _ in range(5):
        await stage.deliver(resolved())
    await stage.deliver(resolved(payment_id=payment_id("second")))

    assert all(isinstance(event, PaymentScreened) for event in stage.distinct_published())


def test_the_committed_limits_cover_every_tier() -> None:
    load_limits(Settings().limits_file)


@pytest.mark.parametrize(
    "text",
    [
        "tiers: {}",
        "tiers: [",
        "tiers: {unverified: {payment_amount_minor_max: {}, daily_amount_minor_max: {'*': 1}}}",
        "tiers: {}\nunlimited: [system]\nsurprise: 1",
    ],
)
def test_a_limits_file_with_a_fault_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(Invalid, match=r"limits\.yaml"):
        load_limits(path)
