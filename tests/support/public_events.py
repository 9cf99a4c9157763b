"""Events of several owners' payments and handles, as they come off their topics."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from domain.payment import RefusalCode
from domain.webhook import DisabledReason
from schemas.account import (
    AccountFrozen,
    AccountKind,
    AccountOpeningRefused,
    AccountOpeningRequested,
    AccountRefusalCode,
    AccountUnfrozen,
    FreezeReason,
    Tier,
)
from schemas.event import Delivered, Event, Position
from schemas.handle import HandleReleased
from schemas.payment import PaymentConflicted, PaymentPosted, PaymentRefused
from schemas.webhook import WebhookEndpointDisabled
from schemas.wire import Message, decode, first_message
from tests.support.events import ALICE, BOB, requested
from tests.support.memory_stage import NOW


def payment(client_id: str, *, outcome: str = "posted", at: datetime = NOW) -> list[Event]:
    """The events of one payment that its owner is told, in the order of its life."""
    payment_id = uuid4()
    first = requested(payment_id=payment_id, client_id=client_id, accepted_at=at)
    conflicted = PaymentConflicted(
        payment_id=payment_id, accepted_at=at, from_handle="alice", fingerprint="1" * 64
    )
    posted = PaymentPosted(
        payment_id=payment_id,
        accepted_at=at,
        posting_id=uuid5(payment_id, "posting"),
        payer_account_id=ALICE,
        payee_account_id=BOB,
        amount_minor=1000,
        currency="USD",
    )
    refused = PaymentRefused(
        payment_id=payment_id, accepted_at=at, code=RefusalCode.INSUFFICIENT_FUNDS
    )
    lives: dict[str, list[Event]] = {
        "posted": [first, posted],
        "refused": [first, refused],
        "conflicted": [first, conflicted, posted],
    }
    return lives[outcome]


def refused_account(client_id: str, *, at: datetime = NOW) -> list[Event]:
    """A request for an account, which is not told, and its refusal, which is."""
    common: dict[str, Any] = {"request_id": uuid4(), "requested_at": at, "account_id": uuid4()}
    return [
        AccountOpeningRequested(
            **common,
            client_id=client_id,
            kind=AccountKind.WALLET,
            tier=Tier.UNVERIFIED,
            currency="XXX",
        ),
        AccountOpeningRefused(**common, code=AccountRefusalCode.UNKNOWN_CURRENCY),
    ]


def released(client_id: str, *, at: datetime = NOW) -> list[Event]:
    """A handle that was given up."""
    return [
        HandleReleased(
            request_id=uuid4(),
            requested_at=at,
            handle="alice",
            fingerprint="0" * 64,
            client_id=client_id,
            version=2,
        )
    ]


def frozen(client_id: str | None, *, at: datetime = NOW) -> list[Event]:
    """An account that was frozen and let go; as staff ordered it before owners were told: None."""
    common: dict[str, Any] = {"account_id": uuid4(), "client_id": client_id, "requested_at": at}
    return [
        AccountFrozen(**common, request_id=uuid4(), reason=FreezeReason.SUSPECTED_FRAUD),
        AccountUnfrozen(**common, request_id=uuid4(), reason=FreezeReason.SETTLED),
    ]


def disabled(client_id: str, *, at: datetime = NOW) -> list[Event]:
    """An endpoint that is sent nothing any more."""
    return [
        WebhookEndpointDisabled(
            request_id=uuid4(),
            requested_at=at,
            client_id=client_id,
            endpoint_id=uuid4(),
            reason=DisabledReason.FAILING,
            failing_since=at,
        )
    ]


def id_of(event: Event) -> UUID:
    """The id of an event's record."""
    return uuid5(event.subject, event.model_dump_json())


def message_of(event: Event) -> Message:
    """An event's record."""
    return first_message(
        event, event_id=id_of(event), source="tests", now=event.started_at, traceparent=None
    )


def delivered(event: Event) -> Delivered[Any]:
    """An event off its topic."""
    message = message_of(event)
    return decode(
        type(event),
        Position(message.topic, 0, 0),
        key=message.key,
        value=message.value,
        headers=message.headers,
    )


def public_ids(events: Iterable[Event]) -> list[str]:
    """The ids of those that are told."""
    return [str(id_of(event)) for event in events if not isinstance(event, AccountOpeningRequested)]
