"""What an event is news of, and to whom; domain/notification_plan.py decides how they are told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from domain.client import client_of, is_program
from domain.notification import Subject
from domain.notification_plan import News
from domain.payment import RANK, RefusalCode, State
from schemas.account import AccountFrozen, AccountUnfrozen
from schemas.event import Delivered
from schemas.kyc import KycInformationRequested, KycRejected
from schemas.payment import PaymentPosted, PaymentRefused
from schemas.person import PersonTierChanged
from schemas.session import SessionReuseDetected, SessionStarted
from schemas.user import PasswordChanged, TotpEnrolled, TotpRemoved, UserBlocked
from schemas.webhook import WebhookEndpointDisabled

PaymentFact = PaymentPosted | PaymentRefused
UserFact = (
    SessionStarted
    | SessionReuseDetected
    | PasswordChanged
    | TotpEnrolled
    | TotpRemoved
    | UserBlocked
)
PersonFact = PersonTierChanged | KycRejected | KycInformationRequested
ClientFact = AccountFrozen | AccountUnfrozen | WebhookEndpointDisabled
Fact = PaymentFact | UserFact | PersonFact | ClientFact

SUBJECTS: Final[Mapping[type[UserFact | PersonFact | ClientFact], Subject]] = {
    SessionStarted: Subject.SIGNED_IN,
    SessionReuseDetected: Subject.SESSION_STOLEN,
    PasswordChanged: Subject.PASSWORD_CHANGED,
    TotpEnrolled: Subject.CODE_REQUIRED,
    TotpRemoved: Subject.CODE_NOT_REQUIRED,
    UserBlocked: Subject.SIGN_IN_BLOCKED,
    # An approval always changes the tier, and a tier nothing but an approval: it is told once.
    PersonTierChanged: Subject.TIER_CHANGED,
    KycRejected: Subject.IDENTITY_NOT_CONFIRMED,
    KycInformationRequested: Subject.PAPERS_WANTED,
    AccountFrozen: Subject.ACCOUNT_FROZEN,
    AccountUnfrozen: Subject.ACCOUNT_UNFROZEN,
    WebhookEndpointDisabled: Subject.WEBHOOK_DISABLED,
}

_STRANGERS: Final = frozenset({RefusalCode.UNKNOWN_PAYER})
"""Refusals of payments that were perhaps not the handle's holder's to ask for."""


class Holder(NamedTuple):
    """An account, and the client that holds it."""

    client_id: str
    account_id: UUID


@dataclass(frozen=True, slots=True)
class Parties:
    """Whose the accounts are that events name; those that nobody is told about are absent."""

    by_account: Mapping[UUID, str] = field(default_factory=dict)
    by_handle: Mapping[str, Holder] = field(default_factory=dict)


def parties_wanted(events: Sequence[Fact]) -> tuple[set[UUID], set[str]]:
    """The accounts and handles whose holders have to be known."""
    account_ids: set[UUID] = set()
    handles: set[str] = set()
    for event in events:
        match event:
            case PaymentPosted():
                account_ids |= {event.payer_account_id, event.payee_account_id}
            case PaymentRefused(payer_account_id=UUID() as account_id):
                account_ids.add(account_id)
            case PaymentRefused(from_handle=str(handle)) if event.code not in _STRANGERS:
                handles.add(handle)
            case _:
                continue
    return account_ids, handles


def news_of(item: Delivered[Fact], parties: Parties) -> Iterator[News]:
    """What an event is news of, and to whom. Programs are told by webhooks."""
    event, event_id, at = item.event, item.envelope.event_id, item.envelope.occurred_at
    match event:
        case PaymentPosted():
            for account_id, subject in (
                (event.payer_account_id, Subject.PAYMENT_SENT),
                (event.payee_account_id, Subject.PAYMENT_RECEIVED),
            ):
                client_id = parties.by_account.get(account_id)
                if client_id is not None and not is_program(client_id):
                    yield News(
                        event_id=event_id,
                        client_id=client_id,
                        account_id=account_id,
                        subject=subject,
                        occurred_at=at,
                        payment_id=event.payment_id,
                        rank=RANK[State.POSTED],
                        amount_minor=event.amount_minor,
                        currency=event.currency,
                    )
        case PaymentRefused():
            holder = _payer(event, parties)
            if holder is not None and not is_program(holder.client_id):
                yield News(
                    event_id=event_id,
                    client_id=holder.client_id,
                    account_id=holder.account_id,
                    subject=Subject.PAYMENT_REFUSED,
                    occurred_at=at,
                    payment_id=event.payment_id,
                    rank=RANK[State.REFUSED],
                    code=event.code,
                )
        case _:
            client_id = _told(event)
            if client_id is not None and not is_program(client_id):
                yield News(
                    event_id=event_id,
                    client_id=client_id,
                    account_id=getattr(event, "account_id", None),
                    subject=SUBJECTS[type(event)],
                    occurred_at=at,
                    code=_code(event),
                )


def _told(event: UserFact | PersonFact | ClientFact) -> str | None:
    """The client that is told; None of an account whose holder the event does not say."""
    match event:
        case AccountFrozen() | AccountUnfrozen() | WebhookEndpointDisabled():
            return event.client_id
        case PersonTierChanged() | KycRejected() | KycInformationRequested():
            return client_of(event.person_id)
        case _:
            return client_of(event.user_id)


def _code(event: UserFact | PersonFact | ClientFact) -> str | None:
    """What the app can say more about; not why an account was frozen, which must not be told."""
    match event:
        case PersonTierChanged(tier=tier):
            return tier
        case KycRejected(reason=reason) | KycInformationRequested(reason=reason):
            return reason
        case WebhookEndpointDisabled(reason=disabled_reason):
            return disabled_reason
        case _:
            return None


def _payer(event: PaymentRefused, parties: Parties) -> Holder | None:
    """Who asked for a payment that was refused, as far as the event says."""
    if event.payer_account_id is not None:
        client_id = parties.by_account.get(event.payer_account_id)
        return None if client_id is None else Holder(client_id, event.payer_account_id)
    return parties.by_handle.get(event.from_handle or "")
