"""The unit of work of every stage, written once: one batch is one commit.

Kill it between any two lines: the redelivery finds the stored outcomes and publishes them again,
and the next stage's inbox ignores the repeat. So there is no outbox table and no poller.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from domain.errors import Defect, Invalid
from runtime import limits, metrics
from runtime.clock import Clock
from runtime.crash_points import Point, crash_point
from runtime.dead_letter import DeadLetter, Record, dead_letter_message
from runtime.inbox import DecidedBefore, Inbox, Row, Stored, days_near, days_of
from runtime.poll import UnreadableRecord
from runtime.publisher import Publisher
from runtime.topics import Topic, TopicMap, group_of
from runtime.tracing import batch_span
from runtime.unit import Unit, Units
from schemas.event import Delivered, Event, Position
from schemas.wire import Message, caused_envelope, decode, encode, event_json

log = structlog.get_logger()

Handler = Callable[[Sequence[Delivered[Any]], Unit], Awaitable[Sequence[Event | None]]]
"""Given the batch's fresh events in offset order and the unit, one outcome (or None) for each."""

_CONFLICT_STEP: Final = ":conflict"


@dataclass(frozen=True, slots=True)
class Stage:
    """What makes one stage different from another.

    `name` is the room's; `on_conflict` says what to publish about an event whose id was taken by
    other contents; `inbox=False` is for a projection whose fold is a join, where order and
    repetition change nothing.
    """

    name: str
    handler: Handler
    on_conflict: Callable[[Delivered[Any]], Event] | None = None
    inbox: bool = True

    @property
    def group(self) -> str:
        """The consumer group."""
        return group_of(self.name)


class StageRunner:
    """Runs batches of records through a stage: decode, decide once, commit, publish."""

    def __init__(
        self,
        stage: Stage,
        *,
        topics: TopicMap,
        prefix: str,
        units: Units,
        inbox: Inbox,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self.stage = stage
        self.topics: dict[str, Topic] = {
            prefix + topic.name: topic for topic in topics.of_group(stage.group)
        }
        self._models: dict[str, type[Event]] = {topic.name: topic.model for topic in topics.topics}
        self._units = units
        self._inbox = inbox
        self._publisher = publisher
        self._clock = clock
        self._source = f"titan/consumers/{stage.name}"
        self._expects_repeats = True
        self._looked = True

    async def process(self, records: Sequence[Record]) -> list[DeadLetter]:
        """Handle a batch; when it returns, all of it is done and its offsets may be committed.

        Errors: Unavailable when the same batch must come again; Defect when going on could lose
        money. Returns what was sent to the dead letter.
        """
        room = self.stage.name
        crash_point(room, Point.DECODE_BEFORE)
        delivered, letters = self._understood(records)
        crash_point(room, Point.DECODE_AFTER)
        if letters:
            crash_point(room, Point.LETTERS_BEFORE)
            await self._publisher.publish(
                [self._letter(letter) for letter in letters],
                deadline_s=limits.STAGE_PUBLISH_S_MAX,
            )
            crash_point(room, Point.LETTERS_ACKED)
        if not delivered:
            return letters
        with batch_span(self.stage.name, delivered):
            await self._work(delivered)
        return letters

    async def _work(self, delivered: list[Delivered[Any]]) -> None:
        if not self.stage.inbox:
            async with self._units.plain() as unit:
                await self._handle(delivered, unit)
            return
        try:
            messages = await self._decide_once(delivered)
        except (DecidedBefore, Defect) as error:
            if self._looked:
                raise
            # A repeat, or a twin of this process that has woken: say so, and look after all.
            said = "decided_before" if isinstance(error, DecidedBefore) else "repeat_suspected"
            log.warning(said, stage=self.stage.name, records=len(delivered))
            messages = await self._decide_once(delivered)
        await self._publisher.publish(messages, deadline_s=limits.STAGE_PUBLISH_S_MAX)

    async def _handle(self, delivered: list[Delivered[Any]], unit: Unit) -> Sequence[Event | None]:
        crash_point(self.stage.name, Point.EFFECT_BEFORE)
        outcomes = await self.stage.handler(delivered, unit)
        crash_point(self.stage.name, Point.EFFECT_AFTER)
        return outcomes

    def _understood(
        self, records: Sequence[Record]
    ) -> tuple[list[Delivered[Any]], list[DeadLetter]]:
        delivered: list[Delivered[Any]] = []
        letters: list[DeadLetter] = []
        today = self._clock.now().date()
        oldest = today - timedelta(days=limits.CHAIN_AGE_DAYS_MAX)
        newest = today + timedelta(days=limits.CHAIN_AHEAD_DAYS_MAX)
        for record in records:
            topic = self.topics[record.topic]
            try:
                if isinstance(record, UnreadableRecord):
                    raise Invalid("unreadable_record", "the record cannot be parsed; see its topic")
                item = decode(
                    self._models[topic.name],
                    Position(topic.name, record.partition, record.offset),
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                )
                if not oldest <= item.started_on <= newest:
                    raise Invalid("implausible_date", "the chain's start is not believable")
                delivered.append(item)
            except Invalid as error:
                letters.append(DeadLetter(record, error))
            except OverflowError:
                letters.append(
                    DeadLetter(record, Invalid("implausible_date", "the start is not a date"))
                )
        return delivered, letters

    def _letter(self, letter: DeadLetter) -> Message:
        topic = self.topics[letter.record.topic]
        metrics.DEAD_LETTERS.labels(self.stage.name, topic.name, letter.error.code).inc()
        return dead_letter_message(
            letter,
            topic=topic.dead_letter(self.stage.group),
            group=self.stage.group,
            original_topic=topic.name,
            now=self._clock.now(),
        )

    async def _decide_once(self, delivered: list[Delivered[Any]]) -> list[Message]:
        """Commit the outcomes of what is fresh; the messages of all, fresh or known.

        While nothing suggests a repeat the inbox is written without being read: its key refuses
        the whole unit if an event was decided before, and then it is read after all.
        """
        step = self.stage.name
        now = self._clock.now()
        near = days_near(now)
        await self._inbox.prepare({item.started_on for item in delivered} | near, now.date())
        # A chain's first event may come again dated anew, under another key of the inbox.
        self._looked = self._expects_repeats or any(
            item.envelope.causation_id is None for item in delivered
        )
        # Until this unit has ended well: a commit whose answer was lost may have taken effect.
        self._expects_repeats = True
        known: dict[UUID, Stored] = {}
        events: dict[UUID, Event | None] = {}
        async with self._units.begin() as unit:
            crash_point(step, Point.INBOX_BEFORE)
            if self._looked:
                known = await self._inbox.read(unit, step, delivered, near)
            crash_point(step, Point.INBOX_AFTER)
            fresh: dict[UUID, Delivered[Any]] = {}
            for item in delivered:
                if item.envelope.idempotency_id not in known:
                    fresh.setdefault(item.envelope.idempotency_id, item)
            decided = list(fresh.values())
            if decided:
                outcomes = await self._handle(decided, unit)
                if len(outcomes) != len(decided):
                    raise Defect(f"{step} answered {len(decided)} events {len(outcomes)} times")
                decided_at = self._clock.now()
                rows = [
                    Row(days_of(item, near), _stored(item, outcome, decided_at))
                    for item, outcome in zip(decided, outcomes, strict=True)
                ]
                await self._inbox.write(unit, step, rows)
                known.update((row.stored.idempotency_id, row.stored) for row in rows)
                events.update(zip(fresh, outcomes, strict=True))
        repeats = len(delivered) - len(decided)
        self._expects_repeats = repeats > 0
        metrics.REPEATS.labels(step).inc(repeats)
        return self._messages(delivered, known, events)

    def _messages(
        self,
        delivered: Sequence[Delivered[Any]],
        known: dict[UUID, Stored],
        events: dict[UUID, Event | None],
    ) -> list[Message]:
        messages: list[Message] = []
        published: set[UUID] = set()
        counts: Counter[str] = Counter()
        for item in delivered:
            stored = known[item.envelope.idempotency_id]
            if stored.event_id != item.envelope.event_id:
                messages.extend(self._conflict(item))
            elif item.envelope.idempotency_id not in published:
                published.add(item.envelope.idempotency_id)
                outcome = events.get(item.envelope.idempotency_id)
                made = self._outcome(item, stored, outcome)
                counts.update(message.topic for message in made)
                messages.extend(made)
        for topic, count in counts.items():
            metrics.OUTCOMES.labels(self.stage.name, topic).inc(count)
        return messages

    def _outcome(
        self, item: Delivered[Any], stored: Stored, outcome: Event | None
    ) -> list[Message]:
        if stored.outcome_topic is None or stored.outcome is None:
            return []
        if outcome is None:
            outcome = self._models[stored.outcome_topic].model_validate_json(stored.outcome)
        envelope = caused_envelope(
            item.envelope, step=self.stage.name, source=self._source, now=stored.decided_at
        )
        return [encode(outcome, envelope, stored.outcome)]

    def _conflict(self, item: Delivered[Any]) -> list[Message]:
        metrics.CONFLICTS.labels(self.stage.name).inc()
        log.warning("conflict", stage=self.stage.name, position=str(item.position))
        if self.stage.on_conflict is None:
            return []
        # Of the conflicting event's own id: the id of the first one's outcome is taken.
        step = f"{item.envelope.event_id}{_CONFLICT_STEP}"
        envelope = caused_envelope(
            item.envelope, step=step, source=self._source, now=self._clock.now()
        )
        return [encode(self.stage.on_conflict(item), envelope)]


def _stored(item: Delivered[Any], outcome: Event | None, decided_at: datetime) -> Stored:
    return Stored(
        idempotency_id=item.envelope.idempotency_id,
        event_id=item.envelope.event_id,
        outcome_topic=None if outcome is None else outcome.TOPIC,
        outcome=None if outcome is None else event_json(outcome),
        decided_at=decided_at,
    )
