"""Records in, rows out: each record of the log becomes rows of the relations, and is forgotten."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from proof.body import ZERO_ID
from proof.event import Read, TopicReader, is_plausible, read_outcome
from proof.findings import Check, Findings
from proof.relations import (
    ASIDE,
    CAUSE_HELD,
    DEMANDED,
    FRESH,
    HANDLED,
    IN_LOG,
    INBOX_HELD,
    NO_DECISION,
    NOTICED,
    PLANNED,
    PROJECTED,
    SETTLED,
    Relations,
)
from proof.route import (
    CONFLICTED,
    NO_STEP,
    NOTIFICATIONS,
    PAYMENTS,
    PROJECTION,
    WEBHOOKS,
    Route,
)
from proof.scope import US, Scope
from proof.telling import Telling
from runtime.limits import CHAIN_AGE_DAYS_MAX
from runtime.topics import TELLING, group_of

_DAY_US: Final = 86_400 * US
_TELLING_GROUPS: Final = frozenset(map(group_of, TELLING))
_LOOKED_ON: Final = {PROJECTION: PROJECTED, WEBHOOKS: PLANNED}

Letters = set[tuple[int, int, int, str]]
"""Topic (by number), partition, offset of what was set aside, and the group that did it."""


@dataclass(frozen=True)
class Bounds:
    """How far the groups are in one partition."""

    settled: int
    """What lies before it every group that money passes has handled, or set aside."""
    fresh: int
    steps: list[tuple[int, str, int, int]]
    """Number and group of each step, and the offsets from and to which it must have handled."""
    projections: list[tuple[str, int, int]]


class Taker:
    """Takes the records of one log."""

    def __init__(
        self,
        route: Route,
        scope: Scope,
        relations: Relations,
        findings: Findings,
        letters: Letters,
        telling: Telling,
    ) -> None:
        self._telling = telling
        self._route = route
        self._scope = scope
        self._relations = relations
        self._findings = findings
        self._letters = letters
        self._kinds = {name: kind for kind, name in enumerate(PAYMENTS)}
        self._kind_of = [self._kinds.get(name) for name in route.topic_names]
        self._conflicted = route.topic_numbers.get(CONFLICTED)
        self._writers = [route.writers(topic) for topic in route.topics]
        self._readers = [
            TopicReader(topic.name, key_fields=topic.key.split(" or ")) for topic in route.topics
        ]
        self._causes_held_from_us = [
            scope.held_from_us(route.read_by(step)) for step in range(len(route.steps))
        ]
        self._set_aside = {(topic, partition, offset) for topic, partition, offset, _ in letters}
        self._inbox_from_us = scope.snapshot_us - CHAIN_AGE_DAYS_MAX * _DAY_US
        self._bounds: dict[tuple[int, int], Bounds] = {}
        self.events: Counter[str] = Counter()

    def take(self, topic: int, partition: int, records: Sequence[Any]) -> None:
        """Records of one partition, as the client library hands them out."""
        self.events[self._route.topic_names[topic]] += len(records)
        bounds = self._bounds_of(topic, partition)
        read_record = self._readers[topic].read
        for record in records:
            read = read_record(record.key, record.value, record.headers)
            if read is None or not is_plausible(read.started_us, record.timestamp):
                self.take_unreadable(topic, partition, record.offset)
            else:
                self._take_event(topic, partition, record, read, bounds)

    def take_unreadable(self, topic: int, partition: int, offset: int) -> None:
        """A record that is no event: whoever reads its topic must have set it aside."""
        self._findings.note("records that are no events")
        bounds = self._bounds_of(topic, partition)
        groups = [(group, begin, end) for _, group, begin, end in bounds.steps]
        for group, begin, end in [*groups, *bounds.projections]:
            if begin <= offset < end and (topic, partition, offset, group) not in self._letters:
                self._findings.fault(
                    Check.OFFSETS,
                    f"{self._route.topic_names[topic]}/{partition}/{offset} is no event; {group} "
                    "has committed past it and not set it aside",
                )

    def take_outcome(self, topic: str, outcome: str) -> None:
        """What a step has decided and not published yet: it explains, and demands nothing."""
        read = read_outcome(topic, outcome)
        if read is None:
            return
        subject, started_us, said, facts = read
        if topic in self._kinds:
            kind = self._kinds[topic]
            self._relations.add_payment(subject, kind, 0, 0, 0, ZERO_ID, 0, 0, started_us, *said)
        for fact in facts:
            self._relations.add_fact(fact.digest, subject, IN_LOG)

    def _take_event(
        self,
        topic: int,
        partition: int,
        record: Any,  # noqa: ANN401 - aiokafka has no types
        read: Read,
        bounds: Bounds,
    ) -> None:
        offset, subject, event_id = record.offset, read.subject, read.event_id
        aside = (topic, partition, offset) in self._set_aside if self._set_aside else False
        settled = offset < bounds.settled and not aside
        fresh = offset >= bounds.fresh
        inbox_held = read.started_us >= self._inbox_from_us
        flags = (SETTLED if settled else 0) | (FRESH if fresh else 0) | (ASIDE if aside else 0)
        for step, group, begin, end in bounds.steps:
            must = begin <= offset < end and inbox_held
            if aside and (topic, partition, offset, group) in self._letters:
                must = False
            if must and group == NOTIFICATIONS:
                flags |= NOTICED
            self._relations.add_event(
                event_id, step, subject, read.idempotency_id, HANDLED if must else 0
            )
        if read.cause is not None:
            self._take_effect(topic, record.value, read, demanded=settled and fresh)
        elif settled and fresh and self._writers[topic]:
            self._findings.fault(
                Check.CAUSES,
                f"{self._route.topic_names[topic]}/{partition}/{offset} names no cause",
                subject=subject,
            )
        for group, begin, end in bounds.projections:
            if begin <= offset < end and not (
                aside and (topic, partition, offset, group) in self._letters
            ):
                flags |= _LOOKED_ON.get(group, 0)
        self._telling.take(topic, flags, read)
        kind = self._kind_of[topic]
        if kind is None:
            self._relations.add_place(subject, topic, partition, offset)
            self._take_facts(read, settled=settled and fresh)
            return
        self._relations.add_payment(
            subject,
            kind,
            flags,
            partition,
            offset,
            event_id,
            record.timestamp,
            read.time_us,
            read.started_us,
            *read.said,
        )

    def _take_effect(self, topic: int, value: bytes, read: Read, *, demanded: bool) -> None:
        step = self._writers[topic].get(read.source, NO_STEP)
        flags = 0
        if demanded:
            if step == NO_STEP or read.started_us >= self._causes_held_from_us[step]:
                flags |= CAUSE_HELD
            if read.started_us >= self._inbox_from_us:
                flags |= INBOX_HELD
        if topic == self._conflicted:
            flags |= NO_DECISION
        assert read.cause is not None
        self._relations.add_effect(
            read.cause,
            step,
            read.subject,
            topic,
            sha256(value).digest()[:16],
            read.event_id,
            flags,
        )

    def _take_facts(self, read: Read, *, settled: bool) -> None:
        for fact in read.facts:
            demanded = DEMANDED if settled and fact.is_in_table else 0
            self._relations.add_fact(fact.digest, read.subject, IN_LOG | demanded)
        if read.handle is not None and settled:
            handle, version = read.handle
            self._relations.add_version(handle, version, IN_LOG)

    def _bounds_of(self, topic: int, partition: int) -> Bounds:
        known = self._bounds.get((topic, partition))
        if known is None:
            known = self._new_bounds(topic, partition)
            self._bounds[topic, partition] = known
        return known

    def _new_bounds(self, number: int, partition: int) -> Bounds:
        topic, vectors, since = self._route.topics[number], self._scope.vectors, self._scope.since

        def committed(group: str) -> int:
            return vectors.committed[group][topic.name][partition]

        def before(group: str) -> int:
            if since is None:
                return 0
            return _at(since.committed.get(group, {}).get(topic.name, ()), partition)

        readers = {consumer.group for consumer in topic.consumers} - _TELLING_GROUPS
        fresh = 0 if since is None else _at(since.proven.get(topic.name, ()), partition)
        return Bounds(
            settled=min([*map(committed, readers), vectors.proven[topic.name][partition]]),
            fresh=fresh,
            steps=[
                (step, group, before(group), committed(group))
                for step, group in self._route.deciding(topic)
            ],
            projections=[
                (group, before(group), committed(group)) for group in self._route.looking_on(topic)
            ],
        )


def _at(offsets: Sequence[int], partition: int) -> int:
    return offsets[partition] if partition < len(offsets) else 0
