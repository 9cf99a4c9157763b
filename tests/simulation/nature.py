"""Time, chance and distance: what every part of a life shares, and nothing else does."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from tests.simulation import weather
from tests.simulation.loop import SimulatedLoop
from tests.simulation.trace import Trace

STARTED_AT: Final = datetime(2026, 11, 23, 23, 59, 57, tzinfo=UTC)
"""Seconds before midnight: most lives see the date change under their payments."""

_TRAVEL_S: Final = 0.004
_SLOW_TRAVEL_S: Final = 1.0


class Nature:
    """One seed makes one nature, and one nature one life."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.loop = SimulatedLoop(self.random)
        self.trace = Trace(self.loop.time)
        self.weather = weather.draw(self.random)

    def now(self) -> datetime:
        """The time, on the one clock that all processes share."""
        return STARTED_AT + timedelta(seconds=self.loop.time())

    def happens(self, chance: float) -> bool:
        """Whether something of this chance happens now."""
        return chance > 0 and self.random.random() < chance

    async def travel(self) -> None:
        """A message is on its way; whoever sends it may die meanwhile."""
        is_slow = self.happens(self.weather.slow)
        await asyncio.sleep(self.random.random() * (_SLOW_TRAVEL_S if is_slow else _TRAVEL_S))

    def heal(self) -> None:
        """No faults any more."""
        self.weather = weather.CALM


class SimulatedClock:
    """The house's clock (`runtime/clock.py`), standing in nature."""

    def __init__(self, nature: Nature) -> None:
        self._nature = nature

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self._nature.now()

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back."""
        return self._nature.loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def jitter(self, seconds: float) -> float:
        """A duration drawn evenly from half of `seconds` to all of it."""
        return seconds * self._nature.random.uniform(0.5, 1.0)

    def random_id(self) -> UUID:
        """An id with no cause."""
        return UUID(int=self._nature.random.getrandbits(128), version=4)
