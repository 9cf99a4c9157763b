"""Backlogs: hold the stages, feed them, let go, and see what it took until all was through."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Self

from bench.log import Log
from bench.meter import Meter, cpu_s_between
from runtime.clock import Clock
from runtime.lag import LagReader
from runtime.topics import group_of, topic_map

ROUTE: Final = ("handle_resolution", "risk_screening", "ledger_posting", "payment_projection")
"""The rooms that a payment passes through, in the order of its route."""

STAGES: Final = (*ROUTE, "event_feed", "notifications", "webhooks")
"""Those, and the rooms that listen, to tell people."""

ALL: Final = "all of them"
"""What the sum over all parts is called."""

_ENDED_LOOK_S: Final = 0.05
_LAG_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Drain:
    """What a backlog took. `cpu_us` is of one payment, by part."""

    count: int
    took_s: float
    cpu_us: Mapping[str, float]

    @property
    def rate_per_s(self) -> float:
        """Payments a second, until the last was in its last topic."""
        return self.count / self.took_s

    @property
    def all_us(self) -> float:
        """CPU of one payment in everything but this process, which only makes the load."""
        return sum(self.cpu_us.values())


def lag_reader(bootstrap: str, *, prefix: str = "") -> LagReader:
    """Asks the broker how far the stages are, so that a growing table need not be counted."""
    groups = {group_of(name): topic_map().of_group(group_of(name)) for name in STAGES}
    return LagReader(groups, bootstrap=bootstrap, prefix=prefix)


async def until_through(lag: LagReader, clock: Clock) -> None:
    """Wait until every stage has handled, and committed, all that it reads."""
    while any((await lag.read()).values()):
        await clock.sleep(_LAG_LOOK_S)


class Flow:
    """The stages that payments pass, under a prefix, seen from outside."""

    def __init__(self, bootstrap: str, *, clock: Clock, prefix: str = "") -> None:
        self.log = Log(bootstrap, prefix=prefix)
        self.clock = clock
        self._lag = lag_reader(bootstrap, prefix=prefix)

    async def __aenter__(self) -> Self:
        await self.log.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lag.close()
        await self.log.stop()

    async def until_through(self) -> None:
        """Wait until every stage has handled, and committed, all that it reads."""
        await until_through(self._lag, self.clock)

    async def drain(
        self,
        count: int,
        feed: Callable[[], Awaitable[None]],
        *,
        held: AbstractContextManager[None],
        meter: Meter,
        free: str,
    ) -> Drain:
        """Feed so many payments while the stages are held, and wait until all are through.

        `free` is the part that is not counted: the process that makes the load.
        """
        start = await self.log.ends()
        with held:
            await feed()
            before = meter.read()
            began_s = self.clock.monotonic_s()
        while await self.log.ended_since(start) < count:
            await self.clock.sleep(_ENDED_LOOK_S)
        took_s = self.clock.monotonic_s() - began_s
        await self.until_through()
        cpu_s = cpu_s_between(before, meter.read())
        each_us = {part: spent_s / count * 1e6 for part, spent_s in cpu_s.items() if part != free}
        return Drain(count, took_s, each_us)
