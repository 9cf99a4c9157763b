"""What a batch of payment events says about each payment."""

from collections.abc import Sequence
from uuid import UUID

from projections.payment_fold import PaymentFact, PaymentRow, fold
from schemas.event import Delivered


def rows_of(batch: Sequence[Delivered[PaymentFact]]) -> list[PaymentRow]:
    """One row for each payment of the batch, sorted by payment_id."""
    rows: dict[UUID, PaymentRow] = {}
    for item in batch:
        payment_id = item.event.payment_id
        rows[payment_id] = fold(rows.get(payment_id), item.event, item.envelope.occurred_at)
    return sorted(rows.values(), key=lambda row: row.payment_id.int)
