"""What customers are told of the log: which events, and which of their fields.

The feed, webhooks and whatever else tells customers use this one table, so that all of them tell
the same. What is not listed stays inside: a new field of an event is not told until it is named
here. An event belongs to the client that asked for what it is about; one that nobody asked for, to
the client whose account or endpoint it is about.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from schemas.account import AccountFrozen, AccountOpened, AccountOpeningRefused, AccountUnfrozen
from schemas.event import Delivered, Event
from schemas.handle import HandleClaimed, HandleClaimRefused, HandlePorted, HandleReleased
from schemas.payment import PaymentConflicted, PaymentPosted, PaymentRefused, PaymentRequested
from schemas.webhook import WebhookEndpointDisabled

_PAYMENT: Final = ("payment_id", "accepted_at")
_REQUEST: Final = ("request_id", "requested_at")
_HANDLE: Final = (*_REQUEST, "handle")

_FIELDS: Final[Mapping[type[Event], tuple[str, ...]]] = {
    PaymentRequested: (
        *_PAYMENT,
        *("from_handle", "to_handle", "amount_minor", "currency", "payment_type", "fingerprint"),
    ),
    PaymentPosted: (
        *_PAYMENT,
        *("posting_id", "payer_account_id", "payee_account_id", "amount_minor", "currency"),
    ),
    PaymentRefused: (*_PAYMENT, "code"),
    PaymentConflicted: (*_PAYMENT, "from_handle", "fingerprint"),
    HandleClaimed: (*_HANDLE, "account_id", "currency", "version"),
    HandlePorted: (*_HANDLE, "account_id", "currency", "version"),
    HandleReleased: (*_HANDLE, "version"),
    HandleClaimRefused: (*_HANDLE, "code"),
    AccountOpened: (*_REQUEST, "account_id", "currency", "kind", "tier"),
    AccountOpeningRefused: (*_REQUEST, "account_id", "code"),
    # Not why: some reasons must not be told to those whom they are about.
    AccountFrozen: (*_REQUEST, "account_id"),
    AccountUnfrozen: (*_REQUEST, "account_id"),
    WebhookEndpointDisabled: (*_REQUEST, "endpoint_id", "reason", "failing_since"),
}

PUBLIC_TYPES: Final = frozenset(model.TOPIC for model in _FIELDS)
"""The types of the events that customers are told: the names of their topics."""


class PublicEvent(NamedTuple):
    """An event as customers are told it; `document` is its JSON."""

    event_id: UUID
    type: str
    subject: UUID
    """The payment or the request that it is about: of one subject the order is kept."""
    document: str


def public_event(delivered: Delivered[Event]) -> PublicEvent | None:
    """The event as customers are told it; None if they are not."""
    event, envelope = delivered.event, delivered.envelope
    names = _FIELDS.get(type(event))
    if names is None:
        return None
    document = {
        "id": envelope.event_id,
        "type": event.TOPIC,
        "occurred_at": envelope.occurred_at,
        "subject": event.subject,
        "data": {name: getattr(event, name) for name in names},
    }
    return PublicEvent(envelope.event_id, event.TOPIC, event.subject, to_json(document).decode())
