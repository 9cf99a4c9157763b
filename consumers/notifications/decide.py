"""What an event is news of, and to whom; domain/notification_plan.py decides how they are told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from domain.client import client_of, is_program
from domain.notification import Subject
from domain.notification_plan import News
from domain.payment import RANK, RefusalCode, State
from schemas.event import Delivered
from schemas.payment import PaymentPosted, PaymentRefused
from schemas.session import SessionReuseDetected, SessionStarted
from schemas.user import PasswordChanged, TotpEnrolled, TotpRemoved, UserBlocked

PersonFact = (
    SessionStarted
    | SessionReuseDetected
    | PasswordChanged
    | TotpEnrolled
    | TotpRemoved
    | UserBlocked
)
Fact = PaymentPosted | PaymentRefused | PersonFact

SUBJECTS: Final[Mapping[type[PersonFact], Subject]] = {
    SessionStarted: Subject.SIGNED_IN,
    SessionReuseDetected: Subject.SESSION_STOLEN,
    PasswordChanged: Subject.PASSWORD_CHANGED,
    TotpEnrolled: Subject.CODE_REQUIRED,
    TotpRemoved: Subject.CODE_NOT_REQUIRED,
    UserBlocked: Subject.SIGN_IN_BLOCKED,
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
            yield News(
                event_id=event_id,
                client_id=client_of(event.user_id),
                account_id=None,
                subject=SUBJECTS[type(event)],
                occurred_at=at,
            )


def _payer(event: PaymentRefused, parties: Parties) -> Holder | None:
    """Who asked for a payment that was refused, as far as the event says."""
    if event.payer_account_id is not None:
        client_id = parties.by_account.get(event.payer_account_id)
        return None if client_id is None else Holder(client_id, event.payer_account_id)
    return parties.by_handle.get(event.from_handle or "")
