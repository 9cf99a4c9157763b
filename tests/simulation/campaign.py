"""Many lives, one after the other, and what they met together."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from tests.simulation.check import faults
from tests.simulation.world import Life, StuckError, World

TAIL_LINES = 60
FAILURES_MAX = 3


@dataclass
class Campaign:
    """What some lives came to."""

    lives: list[Life] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    """In how many lives each rare thing was met."""
    failures: list[str] = field(default_factory=list)
    """The story of each life that failed."""

    @property
    def hash(self) -> str:
        """SHA-256 over the traces of all lives."""
        return sha256("".join(life.hash for life in self.lives).encode()).hexdigest()


def live(seed: int) -> tuple[Life, list[str], World]:
    """One life: what it came to, what is wrong with it, and the world that it left."""
    world = World(seed)
    try:
        life = world.live()
    except StuckError as error:
        return world.life(), [f"P4: {error}"], world
    return life, list(faults(world)), world


def run(seeds: Iterable[int]) -> Campaign:
    """Live through these seeds; after a few failures it gives up."""
    campaign = Campaign()
    with _spared_collector():
        for seed in seeds:
            life, found, world = live(seed)
            campaign.lives.append(life)
            campaign.met.update(set(world.nature.trace.met))
            if found:
                campaign.failures.append("\n".join(story(life, found, world)))
                if len(campaign.failures) == FAILURES_MAX:
                    break
    return campaign


def story(life: Life, found: list[str], world: World) -> Iterator[str]:
    """How to repeat a life that failed, what is wrong with it, and how it ended."""
    yield f"seed {life.seed} breaks {len(found)} promises; trace {life.hash[:16]}"
    yield f"again: .venv/bin/python -m tests.simulation {life.seed} --trace"
    yield from found
    yield f"The last {TAIL_LINES} lines of its trace:"
    yield from world.nature.trace.lines[-TAIL_LINES:]


@contextmanager
def _spared_collector() -> Iterator[None]:
    """Look for garbage seldom: a life makes much and keeps nothing."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
