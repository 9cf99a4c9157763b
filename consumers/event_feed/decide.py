"""Which events may be told, to whom, and in which order.

Topics are read side by side, so a payment's outcome may come before its request. An event waits
until its owner is known and until one of the events that come before it was taken in; then it is
told, and whatever waited for it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

from schemas.event import Delivered
from schemas.payment import PaymentConflicted, PaymentPosted, PaymentRefused, PaymentRequested
from schemas.public import PublicEvent, public_event

AFTER: Final[Mapping[str, frozenset[str]]] = dict.fromkeys(
    (PaymentPosted.TOPIC, PaymentRefused.TOPIC, PaymentConflicted.TOPIC),
    frozenset({PaymentRequested.TOPIC}),
)
"""An event of this type is told after one of these types; a type that is not here, at once."""


class Subject(NamedTuple):
    """What is known of a payment or a request."""

    subject: UUID
    client_id: str | None = None
    """Its owner, once an event has named it."""
    taken: tuple[UUID, ...] = ()
    """The events that were taken in, told or waiting: each counts once, however often it comes."""
    passed: tuple[str, ...] = ()
    """The types of what was told."""
    waiting: tuple[PublicEvent, ...] = ()


class Told(NamedTuple):
    """An event for its owner's feed."""

    client_id: str
    event: PublicEvent


def begun_on(batch: Sequence[Delivered[Any]]) -> dict[UUID, date]:
    """The subjects of a batch, each with the date of its chain."""
    return {item.event.subject: item.started_on for item in batch}


def take_in(
    known: Mapping[UUID, Subject], batch: Sequence[Delivered[Any]]
) -> tuple[list[Subject], list[Told]]:
    """The subjects that a batch has changed, and what may be told now, in order."""
    subjects: dict[UUID, Subject] = {}
    told: list[Told] = []
    for item in batch:
        before = subjects.get(item.event.subject) or known[item.event.subject]
        if item.envelope.event_id in before.taken:
            continue
        after, released = _released(_taken(before, item))
        subjects[after.subject] = after
        told += released
    return list(subjects.values()), told


def _taken(subject: Subject, item: Delivered[Any]) -> Subject:
    public = public_event(item)
    return subject._replace(
        client_id=subject.client_id or getattr(item.event, "client_id", None),
        taken=(*subject.taken, item.envelope.event_id),
        waiting=subject.waiting if public is None else (*subject.waiting, public),
    )


def _released(subject: Subject) -> tuple[Subject, list[Told]]:
    """The subject without what need not wait any longer, and that."""
    told: list[Told] = []
    while subject.client_id is not None:
        due = next((event for event in subject.waiting if _may_pass(event, subject.passed)), None)
        if due is None:
            break
        told.append(Told(subject.client_id, due))
        subject = subject._replace(
            passed=(*subject.passed, due.type),
            waiting=tuple(event for event in subject.waiting if event is not due),
        )
    return subject, told


def _may_pass(event: PublicEvent, passed: Sequence[str]) -> bool:
    before = AFTER.get(event.type)
    return before is None or not before.isdisjoint(passed)
