"""How events are told by webhooks, and which deliveries they come to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.payment import RANK
from domain.webhook import delivery_id_of, is_wanted
from schemas.event import Delivered, PaymentEvent
from schemas.public import public_event

_RANKS: Final = {f"payment.{state}.v1": rank for state, rank in RANK.items()}
_LAST: Final = max(RANK.values()) + 1
"""A conflict is told after the payment's own states."""


class ToldEvent(NamedTuple):
    """An event as it is told, in the order of the columns; `client_id` None is not known yet."""

    event_id: UUID
    client_id: str | None
    event_type: str
    subject: UUID
    rank: int | None
    started_at: datetime
    occurred_at: datetime
    topic: str | None
    partition: int | None
    offset: int | None
    body: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery that an event comes to."""

    delivery_id: UUID
    endpoint_id: UUID
    event: ToldEvent
    is_ordered: bool

    @property
    def state(self) -> str:
        """What it begins as: where order counts, its turn comes by webhook_release."""
        return "waiting" if self.is_ordered and self.event.rank is not None else "pending"


class Wanting(NamedTuple):
    """An endpoint, as planning sees it."""

    endpoint_id: UUID
    client_id: str
    event_types: Sequence[str]
    is_ordered: bool
    created_at: datetime
    disabled_at: datetime | None


def told_of(delivered: Delivered[Any]) -> ToldEvent | None:
    """How an event off the log is told; None if it stays in the house."""
    public = public_event(delivered)
    if public is None:
        return None
    event, position = delivered.event, delivered.position
    return ToldEvent(
        event_id=public.event_id,
        client_id=getattr(event, "client_id", None),
        event_type=public.type,
        subject=public.subject,
        rank=_RANKS.get(public.type, _LAST) if isinstance(event, PaymentEvent) else None,
        started_at=event.started_at,
        occurred_at=delivered.envelope.occurred_at,
        topic=position.topic,
        partition=position.partition,
        offset=position.offset,
        body=public.document,
    )


def deliveries_of(
    events: Sequence[ToldEvent], endpoints: Mapping[str, Sequence[Wanting]]
) -> list[Planned]:
    """The deliveries that these events come to; `endpoints` by client.

    An endpoint is told what occurred since it was made and while it is enabled.
    """
    return [
        Planned(
            delivery_id_of(event.event_id, endpoint.endpoint_id),
            endpoint.endpoint_id,
            event,
            endpoint.is_ordered,
        )
        for event in events
        for endpoint in endpoints.get(event.client_id or "", ())
        if endpoint.disabled_at is None
        and endpoint.created_at <= event.occurred_at
        and is_wanted(event.event_type, endpoint.event_types)
    ]
