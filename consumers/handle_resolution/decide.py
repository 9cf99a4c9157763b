"""Which accounts a payment is between, or why there are none."""

from collections.abc import Mapping

from domain.directory import HandleEntry
from domain.payment import RefusalCode
from schemas.payment import PaymentConflicted, PaymentRefused, PaymentRequested, PaymentResolved


def decide(
    event: PaymentRequested, directory: Mapping[str, HandleEntry]
) -> PaymentResolved | PaymentRefused:
    """Resolve both handles; the first reason found refuses. A released handle names nobody."""
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
