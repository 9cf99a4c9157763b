"""How far a proof reaches: which records and rows must have an answer on the other side.

The order in which things are read is the rule that makes a proof hold while payments flow:

1. committed offsets C of every group, then the ends E0 of every topic;
2. one REPEATABLE READ snapshot S of all tables;
3. the ends E1, and the log up to there.

What a record before E0 (a stage published it) or before C (a group is done with it) did to the
tables was committed before S was taken, so S must show it. What S shows was caused by records that
lie before E1, so the log must show it; only an outcome that was committed and not yet published may
be missing, while its event is not behind C and it is younger than the age. A record between C and
E1 may explain what S shows; nothing is demanded of it but that its payment ends in time.

So nothing is asked for that could still be on its way, and everything that is not on its way is.
What retention or the inbox's own limit has removed is not missed: the broker deletes only what is
older than the topic's retention, so what is younger must be there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from proof.limits import RETENTION_SLACK_S, SKEW_S
from proof.relations import NEVER_US

US: Final = 1_000_000
PG_EPOCH_US: Final = 946_684_800 * US
"""PostgreSQL counts microseconds since 2000."""

Vector = Mapping[str, Sequence[int]]
"""Offsets by topic (without a deployment's prefix) and partition."""


@dataclass(frozen=True)
class Vectors:
    """Where the log stood when the proof began."""

    first: Vector
    """The first records that the broker still holds."""
    committed: Mapping[str, Vector]
    """By group; -1 where a group has committed nothing yet."""
    proven: Vector
    """E0: what lies before is covered by the proof."""


@dataclass(frozen=True)
class Since:
    """The proof that this one continues, as its report has it."""

    sha256: str
    snapshot_us: int
    committed: Mapping[str, Vector]
    proven: Vector
    resume: Vector
    open_payments: frozenset[bytes]


@dataclass
class Scope:
    """All of it, for the joins."""

    vectors: Vectors
    age_us: int
    since: Since | None
    snapshot_us: int = 0
    read_at_us: int = 0
    """When E1 was taken."""
    horizons_us: dict[str, int] = field(default_factory=dict)
    """By topic: what was appended before may have been deleted. Only of topics that lost some."""

    def may_be_gone(self, topics: Sequence[str], at_us: int) -> bool:
        """Whether one of these topics may have lost what was put on it about that time."""
        return at_us < self.held_from_us(topics)

    def held_from_us(self, topics: Sequence[str]) -> int:
        """What was put on these topics from then on, none of them has lost."""
        horizons_us = [self.horizons_us[topic] for topic in topics if topic in self.horizons_us]
        return max(horizons_us) + int(RETENTION_SLACK_S * US) if horizons_us else NEVER_US

    @property
    def window_us(self) -> int:
        """Rows written before this are covered by the proof that this one continues."""
        if self.since is None:
            return NEVER_US
        return self.since.snapshot_us - int(SKEW_S * US)

    def is_late(self, at_us: int) -> bool:
        """Whether something that began then should have ended."""
        return at_us < self.read_at_us - self.age_us
