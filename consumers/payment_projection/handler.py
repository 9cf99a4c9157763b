"""Keep the read model of payments.

payment.* -> (nothing)
"""

from collections.abc import Sequence

from consumers.payment_projection.decide import rows_of
from consumers.payment_projection.ports import Payments
from projections.payment_fold import PaymentFact
from runtime.unit import Unit
from schemas.event import Delivered


async def on_payment_events(
    batch: Sequence[Delivered[PaymentFact]], unit: Unit, *, payments: Payments
) -> list[None]:
    """Join what a batch says into the table; events seen before, or out of order, do no harm."""
    await payments.merge(unit, rows_of(batch))
    return [None] * len(batch)
