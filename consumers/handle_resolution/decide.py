"""Which accounts a payment is between, or why there are none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.directory import HandleEntry
from domain.payment import RefusalCode
from schemas.payment import PaymentConflicted, PaymentRefused, PaymentRequested, PaymentResolved

_INBOX_LOOKBACK: Final = timedelta(days=1)
"""The inbox finds the first try of a retry that is dated up to so much later (runtime/inbox.py)."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How a payment came in the first time."""

    accepted_at: datetime
    fingerprint: str


def decide(
    event: PaymentRequested,
    directory: Mapping[str, HandleEntry],
    first: Acceptance | None = None,
) -> PaymentResolved | PaymentRefused | PaymentConflicted | None:
    """Resolve both handles; the first reason found refuses. A released handle names nobody.

    `first` is how a payment of an unproven key came in, if it is known. Long ago means that it
    was decided then: None for the same body, and another body is a conflict.
    """
    if first is not None and event.accepted_at - first.accepted_at >= _INBOX_LOOKBACK:
        return None if event.fingerprint == first.fingerprint else conflict_of(event)
    payer_entry = directory.get(event.from_handle)
    payee_entry = directory.get(event.to_handle)
    if payer_entry is None or payer_entry.target is None:
        return _refused(event, RefusalCode.UNKNOWN_PAYER)
    if payee_entry is None or payee_entry.target is None:
        return _refused(event, RefusalCode.UNKNOWN_PAYEE)
    payer, payee = payer_entry.target, payee_entry.target
    if payer.account_id == payee.account_id:
        return _refused(event, RefusalCode.SAME_ACCOUNT)
    if not payer.currency == payee.currency == event.currency:
        return _refused(event, RefusalCode.CURRENCY_MISMATCH)
    return PaymentResolved(
        payment_id=event.payment_id,
        accepted_at=event.accepted_at,
        payer_account_id=payer.account_id,
        payee_account_id=payee.account_id,
        from_handle_version=payer_entry.version,
        to_handle_version=payee_entry.version,
        amount_minor=event.amount_minor,
        currency=event.currency,
        payment_type=event.payment_type,
    )


def conflict_of(event: PaymentRequested) -> PaymentConflicted:
    """A second body under a key that already names a payment is recorded and moves nothing."""
    return PaymentConflicted(
        payment_id=event.payment_id,
        accepted_at=event.accepted_at,
        from_handle=event.from_handle,
        fingerprint=event.fingerprint,
    )


def _refused(event: PaymentRequested, code: RefusalCode) -> PaymentRefused:
    return PaymentRefused(
        payment_id=event.payment_id,
        accepted_at=event.accepted_at,
        code=code,
        from_handle=event.from_handle,
    )
