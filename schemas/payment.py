"""The payment.* topics: one module, in the order of the money's route."""

from typing import ClassVar
from uuid import UUID

from domain.payment import PaymentType, RefusalCode
from schemas.event import (
    AmountMinor,
    ClientId,
    Currency,
    Fingerprint,
    Handle,
    PaymentEvent,
    Sealed,
    Version,
)


class PaymentRequested(PaymentEvent):
    """A client asked for a payment, and the edge accepted it; nothing is decided yet.

    Source: producers.payments, one for each accepted POST (a retry may publish it again).
    Key:    from_handle, so that one payer's requests are resolved in order.
    Units:  amount_minor counts the currency's minor unit (USD: cents), at least 1.
    Errors: breaks this schema -> dead letter, never retried; same payment_id with another
            fingerprint -> payment.conflicted.
    """

    TOPIC: ClassVar[str] = "payment.requested.v1"

    client_id: ClientId
    from_handle: Handle
    to_handle: Handle
    amount_minor: AmountMinor
    currency: Currency
    payment_type: PaymentType
    description_sealed: Sealed | None = None
    fingerprint: Fingerprint
    is_key_unproven: bool = False
    """The edge could not ask whether the key was used before: neither cache nor database was up."""
    payer_client_id: ClientId | None = None
    """Whose the payer's handle has to be: the client's own, or of one who lets it pay from there.

    None: nobody answers for the payer (the demo, and before there were people). Such a payment
    takes from no person and no program.
    """

    @property
    def key(self) -> str:
        """The payer's handle."""
        return self.from_handle


class PaymentResolved(PaymentEvent):
    """Both handles now name accounts; the versions pin what the directory said.

    Source: consumers.handle_resolution, one for each PaymentRequested that resolves.
    Key:    payer_account_id, so that one payer's payments are screened and posted in order.
    Units:  amount_minor counts the currency's minor unit (USD: cents), at least 1.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "payment.resolved.v1"

    payer_account_id: UUID
    payee_account_id: UUID
    from_handle_version: Version
    to_handle_version: Version
    amount_minor: AmountMinor
    currency: Currency
    payment_type: PaymentType

    @property
    def key(self) -> str:
        """The payer's account."""
        return str(self.payer_account_id)


class PaymentScreened(PaymentEvent):
    """The payment is within the payer's limits; the ledger may post it.

    Source: consumers.risk_screening, one for each PaymentResolved within limits.
    Key:    payer_account_id, so that one payer's payments are posted in order.
    Units:  amount_minor counts the currency's minor unit (USD: cents), at least 1.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "payment.screened.v1"

    payer_account_id: UUID
    payee_account_id: UUID
    amount_minor: AmountMinor
    currency: Currency
    payment_type: PaymentType

    @property
    def key(self) -> str:
        """The payer's account."""
        return str(self.payer_account_id)


class PaymentPosted(PaymentEvent):
    """The money has moved in our books; final for a wallet payment.

    Source: consumers.ledger_posting, one for each PaymentScreened that the ledger posts.
    Key:    payer_account_id.
    Units:  amount_minor counts the currency's minor unit (USD: cents), at least 1.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "payment.posted.v1"

    posting_id: UUID
    payer_account_id: UUID
    payee_account_id: UUID
    amount_minor: AmountMinor
    currency: Currency

    @property
    def key(self) -> str:
        """The payer's account."""
        return str(self.payer_account_id)


class PaymentRefused(PaymentEvent):
    """Titan's own no; final, and no money moved.

    Source: consumers.handle_resolution, risk_screening or ledger_posting, whichever said no.
    Key:    payer_account_id, or from_handle when the payer was not resolved yet.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "payment.refused.v1"

    code: RefusalCode
    from_handle: Handle | None = None
    payer_account_id: UUID | None = None

    @property
    def key(self) -> str:
        """The payer's account, else the payer's handle, else the payment."""
        return str(self.payer_account_id or self.from_handle or self.payment_id)


class PaymentConflicted(PaymentEvent):
    """A second, different body arrived under a key that already named a payment; it is ignored.

    Source: consumers.handle_resolution, when the edge could not see the first body in time.
    Key:    from_handle of the body that was ignored.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "payment.conflicted.v1"

    from_handle: Handle
    fingerprint: Fingerprint

    @property
    def key(self) -> str:
        """The payer's handle."""
        return self.from_handle
