"""Resolve the handles of requested payments to accounts.

payment.requested -> payment.resolved | payment.refused | payment.conflicted
"""

from collections.abc import Sequence

from consumers.handle_resolution.decide import conflict_of, decide
from consumers.handle_resolution.ports import Acceptances, Directory
from runtime.unit import Unit
from schemas.event import Delivered
from schemas.payment import PaymentConflicted, PaymentRefused, PaymentRequested, PaymentResolved


async def on_payments_requested(
    fresh: Sequence[Delivered[PaymentRequested]],
    unit: Unit,
    *,
    directory: Directory,
    acceptances: Acceptances,
) -> list[PaymentResolved | PaymentRefused | PaymentConflicted | None]:
    """Resolve a batch with one look into the directory; of unproven keys ask who came first."""
    handles = {
        handle for item in fresh for handle in (item.event.from_handle, item.event.to_handle)
    }
    entries = await directory.read(unit, handles)
    unproven = [item.event.payment_id for item in fresh if item.event.is_key_unproven]
    first = await acceptances.read(unit, unproven) if unproven else {}
    return [decide(item.event, entries, first.get(item.event.payment_id)) for item in fresh]


def on_payment_conflicted(item: Delivered[PaymentRequested]) -> PaymentConflicted:
    """Say that a second body came under a used key."""
    return conflict_of(item.event)
