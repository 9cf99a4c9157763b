"""Which payments are let in, and how they are named. Pure."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID, uuid5

from domain.errors import Invalid
from domain.money import is_currency
from domain.payment import AVAILABLE_RAILS, PaymentType, payment_id_of
from producers.payments.models import PaymentBody
from runtime import limits
from runtime.contact_handles import handle_of
from runtime.fingerprints import is_same_body, keyed_fingerprint
from runtime.http.caller import Caller, Kind
from runtime.http.problem import Fault, ProblemError
from runtime.vault import Vault
from schemas.payment import PaymentRequested
from schemas.wire import Message, first_message

SOURCE: Final = "titan/producers/payments"
DESCRIPTION_PURPOSE: Final = "payment.description"

# Control, format, private, unassigned and separating characters hide or reorder what is read. Two
# joiners are let through: emoji and several scripts need them.
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")


class Verdict(Enum):
    """What comes of a payment at the door."""

    ACCEPTED = "accepted"
    """In the log, acknowledged."""
    REPLAYED = "replayed"
    """Accepted before, with the same body."""
    REUSED = "reused"
    """The key names a payment with another body; nothing was published."""
    UNKNOWN = "unknown"
    """No acknowledgement came in time: it may be in the log."""
    STRANGER = "stranger"
    """The payer's handle is not the client's to pay from; nothing was published."""
    UNAVAILABLE = "unavailable"
    """Certainly not in the log."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A payment that was understood and waits to be accepted.

    `is_fresh` says that its key was made for it, so that nobody can have used it before;
    `is_payer_checked` that the payer's handle has to be the client's to pay from.
    """

    payment_id: UUID
    client_id: str
    fingerprint: str
    is_fresh: bool
    from_handle: str
    to_handle: str
    amount_minor: int
    currency: str
    payment_type: PaymentType
    description: str | None
    traceparent: str | None
    is_payer_checked: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a key: the body it came with, when, and whether that is in the log."""

    fingerprint: str
    accepted_at: datetime
    is_accepted: bool


def payment_id_for(client_id: str, key: str) -> UUID:
    """The payment that this client's key names, whether it came alone or in bulk."""
    return payment_id_of(client_id, f"POST /payments {key}")


def candidate_of(
    body: PaymentBody,
    *,
    caller: Caller,
    key: str,
    is_fresh: bool,
    fingerprint: str,
    traceparent: str | None,
    vault: Vault,
) -> Candidate:
    """The payment that a body asks for; ProblemError 422 with everything that is wrong with it."""
    faults: list[Fault] = []
    from_handle = _handle(body.from_handle, vault, "/from_handle", faults)
    to_handle = _handle(body.to_handle, vault, "/to_handle", faults)
    if from_handle == to_handle and not faults:
        faults.append(Fault("/to_handle", "payer and payee are the same handle", "self_payment"))
    if not is_currency(body.currency):
        faults.append(Fault("/currency", "is not an ISO 4217 code such as USD", "unknown_currency"))
    if body.payment_type not in AVAILABLE_RAILS:
        faults.append(
            Fault("/payment_type", "this rail is not open yet; use WALLET", "rail_not_available")
        )
    description = _description(body.description, faults)
    if faults:
        first = faults[0]
        raise ProblemError(422, first.code or "invalid_body", first.message, faults=faults)
    return Candidate(
        payment_id=payment_id_for(caller.client_id, key),
        client_id=caller.client_id,
        fingerprint=keyed_fingerprint(fingerprint, vault),
        is_fresh=is_fresh,
        from_handle=from_handle,
        to_handle=to_handle,
        amount_minor=body.amount,
        currency=body.currency,
        payment_type=body.payment_type,
        description=description,
        traceparent=traceparent,
        is_payer_checked=caller.kind is not Kind.DEMO,
    )


def verdict_of(candidate: Candidate, known: Known | None, vault: Vault) -> Verdict | None:
    """The verdict that what is known decides; None: it has to be published.

    One that was claimed but not acknowledged is published again: the first stage ignores repeats.
    """
    if known is None:
        return None
    if not is_same_body(known.fingerprint, candidate.fingerprint, vault):
        return Verdict.REUSED
    return Verdict.REPLAYED if known.is_accepted else None


def told_of(verdict: Verdict, *, is_first: bool, is_tried: bool) -> Verdict:
    """What a client is told whose try ends with this verdict, and was not published.

    `is_first` says that it certainly was the only try of its payment, `is_tried` that there is
    reason to think of another. Without a cache neither is so: then a stranger is told so all the
    same, for there is no repeat that would tell them more.
    """
    if is_first or (verdict is Verdict.STRANGER and not is_tried):
        return verdict
    return Verdict.UNKNOWN


def message_of(
    candidate: Candidate,
    *,
    accepted_at: datetime,
    now: datetime,
    description_sealed: str | None,
    is_key_unproven: bool = False,
    payer_client_id: str | None = None,
) -> Message:
    """The payment.requested record: the same body under the same key gives the same event id.

    `payer_client_id` is whose the payer's handle has to be when the payment is resolved.
    """
    event = PaymentRequested(
        payment_id=candidate.payment_id,
        accepted_at=accepted_at,
        client_id=candidate.client_id,
        from_handle=candidate.from_handle,
        to_handle=candidate.to_handle,
        amount_minor=candidate.amount_minor,
        currency=candidate.currency,
        payment_type=candidate.payment_type,
        description_sealed=description_sealed,
        fingerprint=candidate.fingerprint,
        is_key_unproven=is_key_unproven,
        payer_client_id=payer_client_id,
    )
    return first_message(
        event,
        event_id=uuid5(candidate.payment_id, candidate.fingerprint),
        idempotency_id=candidate.payment_id,
        source=SOURCE,
        now=now,
        traceparent=candidate.traceparent,
    )


def _handle(typed: str, vault: Vault, pointer: str, faults: list[Fault]) -> str:
    try:
        return handle_of(typed, vault)
    except Invalid as error:
        faults.append(Fault(pointer, error.message, error.code))
        return ""


def _description(typed: str | None, faults: list[Fault]) -> str | None:
    if typed is None:
        return None
    description = unicodedata.normalize("NFC", typed)
    if len(description) > limits.DESCRIPTION_CHARACTERS_MAX:
        message = f"has at most {limits.DESCRIPTION_CHARACTERS_MAX} characters"
        faults.append(Fault("/description", message, "invalid_description"))
    elif not description.isascii() or not description.isprintable():
        refused = (
            unicodedata.category(character) in _REFUSED_CATEGORIES
            for character in description
            if character not in _JOINERS
        )
        if any(refused):
            message = "has no control, format, private or unassigned characters"
            faults.append(Fault("/description", message, "invalid_description"))
    return description or None
