"""Post screened payments to the ledger.

payment.screened -> payment.posted | payment.refused
"""

from collections.abc import Sequence

from consumers.ledger_posting.decide import outcome_of, posting_of
from ledger_adapter.ports import Ledger
from runtime.unit import Unit
from schemas.event import Delivered
from schemas.payment import PaymentPosted, PaymentRefused, PaymentScreened


async def on_payments_screened(
    fresh: Sequence[Delivered[PaymentScreened]], unit: Unit, *, ledger: Ledger
) -> list[PaymentPosted | PaymentRefused]:
    """Post each payment once; the runtime has set aside those that were handled before.

    All of it shares the batch's transaction: it commits together with the inbox rows that keep
    these outcomes, or not at all. So a payment refused yesterday cannot post today because it
    was redelivered, even if funds came in between.
    """
    events = [item.event for item in fresh]
    results = await ledger.post([posting_of(event) for event in events], unit=unit)
    return [outcome_of(event, result) for event, result in zip(events, results, strict=True)]
