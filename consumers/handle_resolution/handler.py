"""Resolve the handles of requested payments to accounts.

payment.requested -> payment.resolved | payment.refused | payment.conflicted
"""

from collections.abc import Sequence

from consumers.handle_resolution.decide import conflict_of, decide
from consumers.handle_resolution.ports import Directory
from runtime.unit import Unit
from schemas.event import Delivered
from schemas.payment import PaymentConflicted, PaymentRefused, PaymentRequested, PaymentResolved


async def on_payments_requested(
    fresh: Sequence[Delivered[PaymentRequested]], unit: Unit, *, directory: Directory
) -> list[PaymentResolved | PaymentRefused]:
    """Resolve a batch with one look into the directory."""
    handles = {
        handle for item in fresh for handle in (item.event.from_handle, item.event.to_handle)
    }
    entries = await directory.read(unit, handles)
    return [decide(item.event, entries) for item in fresh]


def on_payment_conflicted(item: Delivered[PaymentRequested]) -> PaymentConflicted:
    """Say that a second body came under a used key."""
    return conflict_of(item.event)
