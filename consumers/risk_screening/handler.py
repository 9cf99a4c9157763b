"""Hold resolved payments against their payer's limits, which the payer's tier picks.

payment.resolved | person.tier-changed -> payment.screened | payment.refused
"""

from collections.abc import Sequence

from consumers.risk_screening.decide import decide_batch
from consumers.risk_screening.ports import Payers
from domain.limits import RiskLimits
from runtime.unit import Unit
from schemas.event import Delivered
from schemas.payment import PaymentRefused, PaymentResolved, PaymentScreened
from schemas.person import PersonTierChanged


async def on_payments_resolved(
    fresh: Sequence[Delivered[PaymentResolved | PersonTierChanged]],
    unit: Unit,
    *,
    payers: Payers,
    limits: RiskLimits,
) -> list[PaymentScreened | PaymentRefused | None]:
    """Screen a batch in order, each payment seeing those of its payer before it.

    Tiers lie on another topic, in no order with payments: those of the batch hold for all of it.
    """
    events = [item.event for item in fresh]
    await payers.keep_tiers(unit, [each for each in events if isinstance(each, PersonTierChanged)])
    payments = [event for event in events if isinstance(event, PaymentResolved)]
    before = await payers.read(unit, {event.payer_account_id for event in payments})
    outcomes, after = decide_batch(payments, before, limits)
    changed = {id_: state for id_, state in after.items() if state is not before.get(id_)}
    await payers.write(unit, changed)
    screened = iter(outcomes)
    return [next(screened) if isinstance(each, PaymentResolved) else None for each in events]
