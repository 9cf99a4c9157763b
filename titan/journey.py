"""A payment's journey through the log, in the order of cause and effect. Pure: no I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.payment import FINAL, RANK, State
from runtime.follow import Followed
from schemas.event import Position
from schemas.payment import PaymentRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One event of the journey and the way to it.

    `hop_ms` counts from the event before (the first: from the edge's acceptance), `total_ms` from
    the acceptance; both by the time at which the broker appended the record. `code` is the reason
    of a refusal.
    """

    event: str
    position: Position
    appended_at: datetime
    hop_ms: int
    total_ms: int
    source: str
    code: str | None

    @property
    def is_final(self) -> bool:
        """Whether the payment has ended with this event."""
        return self.event in FINAL

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "event": self.event,
            "topic": self.position.topic,
            "partition": self.position.partition,
            "offset": self.position.offset,
            "appended_at": self.appended_at.isoformat(),
            "hop_ms": self.hop_ms,
            "total_ms": self.total_ms,
            "source": self.source,
            "code": self.code,
        }


class Journey:
    """Collects one payment's events, in whatever order partitions yield them.

    An event is held back until its cause was shown. A repeat (same event id) is passed over.
    """

    def __init__(self, payment_id: UUID) -> None:
        self.payment_id = payment_id
        self.hops: list[Hop] = []
        self._shown: set[UUID] = set()
        self._held: dict[UUID, Followed] = {}
        self._last_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether a final event was shown."""
        return any(hop.is_final for hop in self.hops)

    @property
    def end_is_known(self) -> bool:
        """Whether a final event has arrived, shown or held back."""
        return self.ended or any(_name(followed) in FINAL for followed in self._held.values())

    def add(self, followed: Followed) -> list[Hop]:
        """Take an event; the hops that can be shown now, which may be none."""
        envelope = followed.delivered.envelope
        if followed.delivered.event.subject != self.payment_id:
            return []
        if envelope.event_id in self._shown:
            return []
        self._held[envelope.event_id] = followed
        return self._release()

    def give_up_waiting(self) -> list[Hop]:
        """Show what is held back though its cause never came: it is older than the log keeps."""
        return [self._show(followed) for followed in sorted(self._held.values(), key=_age)]

    def _release(self) -> list[Hop]:
        hops: list[Hop] = []
        while ready := [each for each in self._held.values() if self._is_ready(each)]:
            hops.append(self._show(min(ready, key=_age)))
        return hops

    def _is_ready(self, followed: Followed) -> bool:
        cause = followed.delivered.envelope.causation_id
        return cause is None or cause in self._shown

    def _show(self, followed: Followed) -> Hop:
        delivered = followed.delivered
        event_id = delivered.envelope.event_id
        self._held.pop(event_id)
        self._shown.add(event_id)
        accepted_at = delivered.event.started_at
        hop = Hop(
            event=_name(followed),
            position=delivered.position,
            appended_at=followed.appended_at,
            hop_ms=_whole_ms(followed.appended_at - (self._last_at or accepted_at)),
            total_ms=_whole_ms(followed.appended_at - accepted_at),
            source=delivered.envelope.source,
            code=delivered.event.code if isinstance(delivered.event, PaymentRefused) else None,
        )
        self._last_at = followed.appended_at
        self.hops.append(hop)
        return hop


def _name(followed: Followed) -> str:
    """The topic's past participle: `posted` of payment.posted.v1."""
    return followed.delivered.event.TOPIC.split(".")[1]


def _age(followed: Followed) -> tuple[datetime, int]:
    # The broker's clock has whole milliseconds: several events may share one.
    name = _name(followed)
    return followed.appended_at, RANK[State(name)] if name in RANK else 0


def _whole_ms(duration: timedelta) -> int:
    # Edge and broker have clocks of their own, and the broker's drops the fraction.
    return max(0, round(duration / timedelta(milliseconds=1)))
