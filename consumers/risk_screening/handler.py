"""Hold resolved payments against their payer's limits.

payment.resolved -> payment.screened | payment.refused
"""

from collections.abc import Sequence

from consumers.risk_screening.decide import decide_batch
from consumers.risk_screening.ports import Payers
from domain.limits import RiskLimits
from runtime.unit import Unit
from schemas.event import Delivered
from schemas.payment import PaymentRefused, PaymentResolved, PaymentScreened


async def on_payments_resolved(
    fresh: Sequence[Delivered[PaymentResolved]], unit: Unit, *, payers: Payers, limits: RiskLimits
) -> list[PaymentScreened | PaymentRefused]:
    """Screen a batch in order, each payment seeing those of its payer before it."""
    events = [item.event for item in fresh]
    before = await payers.read(unit, {event.payer_account_id for event in events})
    outcomes, after = decide_batch(events, before, limits)
    changed = {id_: state for id_, state in after.items() if state is not before.get(id_)}
    await payers.write(unit, changed)
    return outcomes
