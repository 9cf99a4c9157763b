"""Resolve the handles of requested payments to accounts.

payment.requested -> payment.resolved | payment.refused | payment.conflicted
"""

from collections.abc import Sequence

from consumers.handle_resolution.decide import conflict_of, decide, grant_wanted
from consumers.handle_resolution.ports import Acceptances, Directory, Grants
from runtime.unit import Unit
from schemas.event import Delivered
from schemas.payment import PaymentConflicted, PaymentRefused, PaymentRequested, PaymentResolved


async def on_payments_requested(
    fresh: Sequence[Delivered[PaymentRequested]],
    unit: Unit,
    *,
    directory: Directory,
    acceptances: Acceptances,
    grants: Grants,
) -> list[PaymentResolved | PaymentRefused | PaymentConflicted | None]:
    """Resolve a batch with one look into the directory.

    Asked only where some payment needs it: who came first under an unproven key, and whether the
    owner of a handle lets a program pay from it.
    """
    handles = {
        handle for item in fresh for handle in (item.event.from_handle, item.event.to_handle)
    }
    entries = await directory.read(unit, handles)
    unproven = [item.event.payment_id for item in fresh if item.event.is_key_unproven]
    first = await acceptances.read(unit, unproven) if unproven else {}
    wanted = {grant for item in fresh if (grant := grant_wanted(item.event)) is not None}
    granted = await grants.read(unit, wanted) if wanted else frozenset()
    return [
        decide(item.event, entries, first.get(item.event.payment_id), granted) for item in fresh
    ]


def on_payment_conflicted(item: Delivered[PaymentRequested]) -> PaymentConflicted:
    """Say that a second body came under a used key."""
    return conflict_of(item.event)
