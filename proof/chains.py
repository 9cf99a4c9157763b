"""The join by cause: event, the inbox row that decided about it, and the event that came of it.

Four sets, part by part, and what one has and another lacks. Only what a proof may demand is
demanded (proof/scope.py); what an inbox has decided and not published yet is handed on, since it
explains what the tables show.
"""

from dataclasses import dataclass, field
from uuid import UUID

from proof.body import ZERO_ID
from proof.findings import Check, Findings
from proof.relations import (
    CAUSE_HELD,
    HANDLED,
    INBOX_HELD,
    NO_DECISION,
    NO_TOPIC,
    Relations,
    long_at,
)
from proof.route import NO_STEP, Route
from proof.scope import Scope

# Where columns begin or end in the rows of proof/relations.py.
_STEP = 16
_KEY = slice(0, 17)
_KEY_AND_SUBJECT = slice(0, 33)


@dataclass
class Left:
    """What the sets alone cannot settle: look it up by id."""

    unhandled: list[bytes] = field(default_factory=list)
    """Events that a step has committed past and that its inbox does not know, by their rows."""
    unpublished: list[bytes] = field(default_factory=list)
    """Rows of the inbox whose outcome is on its way."""
    undecided: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Effects whose decision the rows read do not have, and the idempotency id of their cause."""


class ChainJoin:
    """Joins all parts."""

    def __init__(
        self, route: Route, scope: Scope, relations: Relations, findings: Findings
    ) -> None:
        self._route = route
        self._scope = scope
        self._relations = relations
        self._findings = findings
        self.left = Left()

    def join(self, part: int) -> None:
        """Compare what lies in one part."""
        events = self._relations.events.rows(part)
        effects = self._relations.effects.rows(part)
        inbox = self._relations.inbox.rows(part)
        known = {row[_KEY] for row in events}
        self._handled(events, inbox)
        self._caused(events, effects)
        self._told(events, effects, inbox)
        self._decided(events, effects, inbox)
        for row in inbox:
            if row[_KEY] not in known:
                self._unknown_event(row)

    def _handled(self, events: list[bytes], inbox: list[bytes]) -> None:
        """What a group has committed past is in its step's inbox."""
        must = {row[_KEY]: row for row in events if row[49] & HANDLED}
        self._findings.looked(Check.OFFSETS, len(must))
        for key in must.keys() - {row[_KEY] for row in inbox}:
            self.left.unhandled.append(must[key])
        subjects = {row[_KEY_AND_SUBJECT] for row in events if row[49] & HANDLED}
        if len(subjects) > len(must):
            seen: dict[bytes, bytes] = {}
            for row in subjects:
                if seen.setdefault(row[_KEY], row) != row:
                    self._findings.fault(
                        Check.ONE_WAY,
                        f"event {UUID(bytes=row[:16])} is of two payments or requests",
                        subject=row[17:33],
                    )

    def _caused(self, events: list[bytes], effects: list[bytes]) -> None:
        """An effect's cause is in the log, is of the same payment, and its step reads it."""
        demanded = [row for row in effects if row[66] & CAUSE_HELD]
        self._findings.looked(Check.CAUSES, len(demanded))
        known = {row[_KEY_AND_SUBJECT] for row in events}
        for row in demanded:
            if row[_KEY_AND_SUBJECT] not in known:
                self._findings.fault(
                    Check.CAUSES,
                    f"{self._route.topic_names[row[33]]}: the cause {UUID(bytes=row[:16])} of "
                    f"event {UUID(bytes=row[50:66])} is not in the log of its payment or request",
                    subject=row[17:33],
                )

    def _told(self, events: list[bytes], effects: list[bytes], inbox: list[bytes]) -> None:
        """An outcome is in the log, byte for byte, once its event is behind the offsets."""
        told = [row for row in inbox if row[17] != NO_TOPIC]
        self._findings.looked(Check.TOLD, len(told))
        published = {row[_KEY] + row[33:50] for row in effects}
        missing = [row for row in told if row[:34] not in published]
        if not missing:
            return
        settled = {row[_KEY] for row in events if row[49] & HANDLED}
        for row in missing:
            topic, decided_us = self._route.topic_names[row[17]], long_at(row, 50)
            if row[_KEY] in settled:
                self._untold(row, f"its group has committed past the event; not on {topic}")
            elif self._scope.may_be_gone([topic], decided_us):
                self._findings.note("outcomes older than the log")
            elif decided_us < self._scope.window_us:
                continue
            elif self._scope.is_late(decided_us):
                self._untold(row, f"and is not on {topic} after all this time")
            else:
                self.left.unpublished.append(row)

    def _untold(self, row: bytes, why: str) -> None:
        self._findings.fault(
            Check.TOLD,
            f"{self._route.steps[row[_STEP]]} has decided about event {UUID(bytes=row[:16])}: "
            f"{why}",
            subject=self._subject_of(row[:16]),
        )

    def _decided(self, events: list[bytes], effects: list[bytes], inbox: list[bytes]) -> None:
        """What stands on a stage's topic is what its inbox has, and each decision has one id."""
        demanded = [row for row in effects if row[66] & (INBOX_HELD | NO_DECISION) == INBOX_HELD]
        self._findings.looked(Check.DECIDED, len(demanded))
        decided = {row[:34] for row in inbox}
        missing = [row for row in demanded if row[_KEY] + row[33:50] not in decided]
        if missing:
            idempotency_ids = {row[_KEY]: row[33:49] for row in events}
            for row in missing:
                self.left.undecided.append((row, idempotency_ids.get(row[_KEY], ZERO_ID)))
        ids: dict[bytes, bytes] = {}
        for row in demanded:
            if ids.setdefault(row[_KEY], row[50:66]) != row[50:66]:
                self._findings.fault(
                    Check.ONE_WAY,
                    f"one decision about event {UUID(bytes=row[:16])} was published under two ids",
                    subject=row[17:33],
                )

    def undecided(self, row: bytes) -> None:
        """Tell of an effect that no inbox has decided."""
        step = row[_STEP]
        name = "nobody" if step == NO_STEP else self._route.steps[step]
        self._findings.fault(
            Check.DECIDED,
            f"{self._route.topic_names[row[33]]}: event {UUID(bytes=row[50:66])} names {name} as "
            "its source, whose inbox has not this outcome",
            subject=row[17:33],
        )

    def _unknown_event(self, row: bytes) -> None:
        decided_us = long_at(row, 50)
        read_by = [] if row[_STEP] == NO_STEP else self._route.read_by(row[_STEP])
        if self._scope.may_be_gone(read_by, decided_us):
            self._findings.note("decisions older than the log")
        elif self._scope.since is None or decided_us >= self._scope.since.snapshot_us:
            self._findings.fault(
                Check.CAUSES,
                f"the inbox has decided about event {UUID(bytes=row[:16])}, which is not in the "
                "log",
                subject=self._subject_of(row[:16]),
            )

    def _subject_of(self, event: bytes) -> bytes | None:
        """The payment or request of an event, by what the log says of it or of what it caused."""
        for relation, subject in (
            (self._relations.events, slice(17, 33)),
            (self._relations.effects, slice(17, 33)),
        ):
            for row in relation.part_of(event):
                if row[:16] == event:
                    return row[subject]
        return None
