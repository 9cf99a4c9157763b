"""Whether a payment is within its payer's limits. No clock: time is the payment's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from domain.errors import Defect
from domain.limits import RiskLimits, TierLimits, limit_of
from domain.payment import RefusalCode
from schemas.payment import PaymentRefused, PaymentResolved, PaymentScreened

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PayerState:
    """What a payer has sent, as far as limits care. Refused payments do not count.

    A payment that the ledger refuses later has counted all the same: on the safe side.
    """

    tier: str
    day: date = date.min
    day_amount_minor: int = 0
    window_started_at: datetime = _NEVER
    window_payments: int = 0


def decide(
    event: PaymentResolved, payer: PayerState, limits: RiskLimits
) -> tuple[PaymentScreened | PaymentRefused, PayerState]:
    """The outcome, and the payer's state that the next payment of the batch sees."""
    if payer.tier in limits.unlimited:
        return _screened(event), payer
    tier = limits.tiers.get(payer.tier)
    if tier is None:
        raise Defect(f"limits.yaml names no tier {payer.tier!r}")
    state = _rolled(payer, event.accepted_at, tier)
    refusal = _refusal(event, state, tier)
    if refusal is not None:
        return _refused(event, refusal), state
    return _screened(event), replace(
        state,
        day_amount_minor=state.day_amount_minor + event.amount_minor,
        window_payments=state.window_payments + 1,
    )


def _rolled(payer: PayerState, at: datetime, tier: TierLimits) -> PayerState:
    """Begin a new day or window where one has passed.

    A payment dated before the running day or window counts in the running one: time does not go
    back because a record was late.
    """
    state = payer
    day = at.astimezone(UTC).date()
    if day > state.day:
        state = replace(state, day=day, day_amount_minor=0)
    if tier.velocity is not None:
        window = timedelta(seconds=tier.velocity.window_s)
        if at - state.window_started_at >= window:
            state = replace(state, window_started_at=at, window_payments=0)
    return state


def _refusal(event: PaymentResolved, state: PayerState, tier: TierLimits) -> RefusalCode | None:
    amount_minor = event.amount_minor
    if amount_minor > limit_of(tier.payment_amount_minor_max, event.currency):
        return RefusalCode.AMOUNT_OVER_LIMIT
    daily_minor_max = limit_of(tier.daily_amount_minor_max, event.currency)
    if state.day_amount_minor + amount_minor > daily_minor_max:
        return RefusalCode.DAILY_LIMIT
    if tier.velocity is not None and state.window_payments >= tier.velocity.payments_max:
        return RefusalCode.VELOCITY
    return None


def _screened(event: PaymentResolved) -> PaymentScreened:
    return PaymentScreened(
        payment_id=event.payment_id,
        accepted_at=event.accepted_at,
        payer_account_id=event.payer_account_id,
        payee_account_id=event.payee_account_id,
        amount_minor=event.amount_minor,
        currency=event.currency,
        payment_type=event.payment_type,
    )


def _refused(event: PaymentResolved, code: RefusalCode) -> PaymentRefused:
    return PaymentRefused(
        payment_id=event.payment_id,
        accepted_at=event.accepted_at,
        code=code,
        payer_account_id=event.payer_account_id,
    )


def decide_batch(
    events: Sequence[PaymentResolved], payers: Mapping[UUID, PayerState], limits: RiskLimits
) -> tuple[list[PaymentScreened | PaymentRefused], dict[UUID, PayerState]]:
    """The outcomes in order, and every payer's state after them.

    An account that nobody opened is refused: the directory promised it, so a forged event or a
    broken directory is behind it, and no money may move on its word.
    """
    states = dict(payers)
    outcomes: list[PaymentScreened | PaymentRefused] = []
    for event in events:
        payer = states.get(event.payer_account_id)
        if payer is None:
            outcomes.append(_refused(event, RefusalCode.UNKNOWN_ACCOUNT))
            continue
        outcome, states[event.payer_account_id] = decide(event, payer, limits)
        outcomes.append(outcome)
    return outcomes, states
