"""How bad the luck of one life is, drawn from its seed.

Not every life meets every fault, and none at the same rate: a fault that is always there hides
what happens without it.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

SESSION_S: Final = 6.0
"""The broker takes a silent consumer for dead after this; so do the storms on real servers."""

REBALANCE_S: Final = 30.0
"""A rebalance waits no longer for a member to join again (runtime/settings.py)."""

HEARTBEAT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances are per occasion; those of a step are per await of a process that may die."""

    kill_per_step: float
    freeze_per_step: float
    statement_fails: float
    commit_is_lost: float
    commit_answer_is_lost: float
    publish_is_lost: float
    publish_answer_is_lost: float
    publish_is_late: float
    publish_is_refused: float
    offset_commit_fails: float
    slow: float
    """A message on the way takes up to a second instead of milliseconds."""
    mishap_pause_s: float
    """Mean pause between two mishaps (`tests/simulation/mishaps.py`)."""
    members: int
    """Processes of each stage at the start."""
    edges: int
    partitions: int
    is_static: bool
    """Whether consumers keep their name over a restart, so that it causes no rebalance."""


CALM: Final = Weather(
    kill_per_step=0,
    freeze_per_step=0,
    statement_fails=0,
    commit_is_lost=0,
    commit_answer_is_lost=0,
    publish_is_lost=0,
    publish_answer_is_lost=0,
    publish_is_late=0,
    publish_is_refused=0,
    offset_commit_fails=0,
    slow=0,
    mishap_pause_s=1e9,
    members=1,
    edges=1,
    partitions=3,
    is_static=False,
)


def draw(random: Random) -> Weather:
    """The weather of one life: each fault is absent, seldom or frequent."""

    def rate(often: float) -> float:
        return random.choice((0.0, often / 8, often))

    return Weather(
        kill_per_step=rate(0.008),
        freeze_per_step=rate(0.008),
        statement_fails=rate(0.04),
        commit_is_lost=rate(0.1),
        commit_answer_is_lost=rate(0.1),
        publish_is_lost=rate(0.1),
        publish_answer_is_lost=rate(0.15),
        publish_is_late=rate(0.15),
        publish_is_refused=rate(0.05),
        offset_commit_fails=rate(0.3),
        slow=rate(0.05),
        mishap_pause_s=random.choice((0.3, 1.0, 4.0)),
        members=random.randint(1, 2),
        edges=random.randint(1, 2),
        partitions=random.choice((1, 3, 12)),
        is_static=random.random() < 0.5,
    )
