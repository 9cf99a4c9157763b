"""Time and randomness: the only door to both, so that a test or a simulation can stand in it."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4


class Clock(Protocol):
    """What the house may know of time and chance."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def jitter(self, seconds: float) -> float:
        """A duration drawn evenly from half of `seconds` to all of it."""
        ...

    def random_id(self) -> UUID:
        """An id with no cause: only for what begins a chain and names no money."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def jitter(self, seconds: float) -> float:
        """A duration drawn evenly from half of `seconds` to all of it."""
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing

    def random_id(self) -> UUID:
        """An id with no cause: only for what begins a chain and names no money."""
        return uuid4()
