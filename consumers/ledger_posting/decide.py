"""What a screened payment is to the ledger, and what the ledger's answer is to the payment."""

from typing import Final, assert_never
from uuid import UUID, uuid5

from domain.payment import RefusalCode
from domain.posting import Entry, Posted, Posting, Refused
from schemas.payment import PaymentPosted, PaymentRefused, PaymentScreened

_TRANSFER_LEG: Final = "transfer"


def posting_id_of(payment_id: UUID) -> UUID:
    """The posting that moves this payment's money: the same payment, the same posting."""
    return uuid5(payment_id, _TRANSFER_LEG)


def posting_of(event: PaymentScreened) -> Posting:
    """A debit on the payer and a credit on the payee."""
    return Posting(
        posting_id=posting_id_of(event.payment_id),
        currency=event.currency,
        entries=(
            Entry(event.payer_account_id, -event.amount_minor),
            Entry(event.payee_account_id, event.amount_minor),
        ),
    )


def outcome_of(event: PaymentScreened, result: Posted | Refused) -> PaymentPosted | PaymentRefused:
    """The event that tells the ledger's answer."""
    match result:
        case Posted():
            return PaymentPosted(
                payment_id=event.payment_id,
                accepted_at=event.accepted_at,
                posting_id=result.posting_id,
                payer_account_id=event.payer_account_id,
                payee_account_id=event.payee_account_id,
                amount_minor=event.amount_minor,
                currency=event.currency,
            )
        case Refused():
            return PaymentRefused(
                payment_id=event.payment_id,
                accepted_at=event.accepted_at,
                code=RefusalCode(result.code),
                payer_account_id=event.payer_account_id,
            )
        case _:
            assert_never(result)
