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
        subject = item.event.subject
        before = subjects.get(subject) or known[subject]
        if item.envelope.event_id not in before.taken:
            subjects[subject] = _taken(before, item, told)
    return list(subjects.values()), told


def _taken(before: Subject, item: Delivered[Any], told: list[Told]) -> Subject:
    """The subject with one event more; what need not wait any longer is told."""
    public = public_event(item)
    client_id = before.client_id or getattr(item.event, "client_id", None)
    passed = before.passed
    waiting = before.waiting if public is None else (*before.waiting, public)
    while client_id is not None:
        due = next((event for event in waiting if _may_pass(event, passed)), None)
        if due is None:
            break
        told.append(Told(client_id, due))
        passed = (*passed, due.type)
        waiting = tuple([event for event in waiting if event is not due])
    taken = (*before.taken, item.envelope.event_id)
    return Subject(before.subject, client_id, taken, passed, waiting)


def _may_pass(event: PublicEvent, passed: Sequence[str]) -> bool:
    before = AFTER.get(event.type)
    return before is None or not before.isdisjoint(passed)
