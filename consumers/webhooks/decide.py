"""What a batch of events tells, and whose it is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from projections.webhook_fold import ToldEvent, told_of
from schemas.account import AccountOpeningRequested
from schemas.event import Delivered


def told_in(batch: Sequence[Delivered[Any]]) -> list[ToldEvent]:
    """The events of a batch that are told, each once, in their order."""
    told = {item.envelope.event_id: told_of(item) for item in batch}
    return [event for event in told.values() if event is not None]


def asked_in(batch: Sequence[Delivered[Any]]) -> dict[UUID, tuple[str, datetime]]:
    """Whose requests are in a batch that are not told, though what comes of them is."""
    return {
        item.event.subject: (item.event.client_id, item.event.started_at)
        for item in batch
        if isinstance(item.event, AccountOpeningRequested)
    }


def owners_in(events: Sequence[ToldEvent]) -> dict[UUID, str]:
    """Whose payments and requests the events themselves say."""
    return {event.subject: event.client_id for event in events if event.client_id is not None}


def unowned(events: Sequence[ToldEvent]) -> set[UUID]:
    """The payments and requests whose owner no event of these says."""
    return {event.subject for event in events} - owners_in(events).keys()


def owned(events: Sequence[ToldEvent], owners: Mapping[UUID, str]) -> list[ToldEvent]:
    """The events with their owners; one whose owner nobody knows yet stays without."""
    known = {**owners, **owners_in(events)}
    return [event._replace(client_id=known.get(event.subject)) for event in events]
