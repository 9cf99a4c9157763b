"""Which accounts a payment is between, or why there are none."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from domain.directory import HandleEntry, HandleTarget
from domain.payment import RefusalCode
from schemas.payment import PaymentConflicted, PaymentRefused, PaymentRequested, PaymentResolved

_INBOX_LOOKBACK: Final = timedelta(days=1)
"""The inbox finds the first try of a retry that is dated up to so much later (runtime/inbox.py)."""

_OWN_WORD_ONLY: Final = ("user:", "client:")
"""How the client ids of people and programs begin: a payment from one names who answers for it."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How a payment came in the first time."""

    accepted_at: datetime
    fingerprint: str


class Grant(NamedTuple):
    """That a client may pay from a handle, as its owner has allowed."""

    client_id: str
    handle: str
    owner_client_id: str


def decide(
    event: PaymentRequested,
    directory: Mapping[str, HandleEntry],
    first: Acceptance | None = None,
    grants: Collection[Grant] = frozenset(),
) -> PaymentResolved | PaymentRefused | PaymentConflicted | None:
    """Resolve both handles; the first reason found refuses. A released handle names nobody.

    A payer's handle that the client may not pay from is refused like one that names nobody: the
    answer does not tell whose it is. A payer in another currency than the payment's is refused
    before the payee is looked at: no such payment can move money, so its answer would tell who
    has a handle and who has none to whoever asks.
    `first` is how a payment of an unproven key came in, if it is known. Long ago means that it
    was decided then: None for the same body, and another body is a conflict.
    """
    if first is not None and event.accepted_at - first.accepted_at >= _INBOX_LOOKBACK:
        return None if event.fingerprint == first.fingerprint else conflict_of(event)
    payer_entry = directory.get(event.from_handle)
    payee_entry = directory.get(event.to_handle)
    payer = payer_entry.target if payer_entry and _may_pay(event, payer_entry, grants) else None
    payee = payee_entry.target if payee_entry else None
    if payer_entry is None or payer is None:
        return _refused(event, RefusalCode.UNKNOWN_PAYER)
    if payer.currency != event.currency:
        return _refused(event, RefusalCode.CURRENCY_MISMATCH)
    if payee_entry is None or payee is None:
        return _refused(event, RefusalCode.UNKNOWN_PAYEE)
    code = _refusal_between(payer, payee)
    if code is not None:
        return _refused(event, code)
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


def grant_wanted(event: PaymentRequested) -> Grant | None:
    """The grant without which the payment is not the client's to ask for; None if it needs none."""
    if event.payer_client_id is None or event.payer_client_id == event.client_id:
        return None
    return Grant(event.client_id, event.from_handle, event.payer_client_id)


def _may_pay(event: PaymentRequested, payer: HandleEntry, grants: Collection[Grant]) -> bool:
    if event.payer_client_id is None:
        return not payer.client_id.startswith(_OWN_WORD_ONLY)
    if payer.client_id != event.payer_client_id:
        return False
    wanted = grant_wanted(event)
    return wanted is None or wanted in grants


def _refusal_between(payer: HandleTarget, payee: HandleTarget) -> RefusalCode | None:
    """Why nothing is paid between two accounts, of which the payer's has the right currency."""
    if payer.account_id == payee.account_id:
        return RefusalCode.SAME_ACCOUNT
    return None if payer.currency == payee.currency else RefusalCode.CURRENCY_MISMATCH


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
