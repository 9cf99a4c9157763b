"""Scale out: 1, 2 and 4 processes of each stage on a payment's route, coming and going under load.

Of the stages that only listen there is one each all along.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

import httpx

from bench.figures import Figure, percentile
from bench.flow import ROUTE, STAGES, Drain, Flow
from bench.meter import Meter
from bench.once import Once, found_once
from bench.open_loop import Together, at_rate
from bench.place import GENERATOR, Place, Say
from bench.rig import Rig
from bench.workers import Workers
from runtime.topics import topic_map
from schemas.event import Event
from titan.packing import Pack, stages_of
from titan.servers.ports import LOOPBACK

PLACE_PROCESSES: Final = len(stages_of(topic_map()))
"""One of each stage runs in the place itself: the first of each."""

COUNTS: Final = (1, 2, 4)

RATE_PER_S: Final = 300
"""The load under which processes come and go."""

_BEFORE_S: Final = 2.0
_JOIN_S: Final = 14.0
_LEAVE_S: Final = 28.0
"""Longer than a consumer's session time-out: only then has everybody seen that a member left."""

_WARM_UP: Final = 5_000
_LOOK_S: Final = 0.05
_FIRST_S_MAX: Final = 60.0
_FIRST_BATCH: Final = re.compile(
    r'^titan_stage_batch_records_count\{stage="\w+"\} ([1-9]\S*)$', re.MULTILINE
)
_SHARED: Final = "broker, database, all stages; edges, cache and this generator"


@dataclass(slots=True)
class Change:
    """Members that came or went under load. Latencies are requested to posted."""

    name: str
    latencies_ms: list[float] = field(default_factory=list)
    first_record_s: list[float] = field(default_factory=list)
    """Of each newcomer: from its start as a process to its first batch."""


@dataclass(slots=True)
class Scale:
    """All of a run. `drains` is by processes of each stage; `once` is over everything posted."""

    drains: dict[int, Drain] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    once: Once | None = None


async def measure_scale(rig: Rig, count: int, *, say: Say) -> Scale:
    """Drain with 1, 2 and 4 of each stage; the further ones join, leave and die under load."""
    found = Scale()
    workers = Workers(rig.place, clock=rig.clock, say=say)
    async with Flow(rig.place.bootstrap, clock=rig.clock) as flow:
        ends = await flow.log.ends()
        sent = 0
        crowd = _Crowd(rig, workers, flow)
        try:
            await crowd.drain(_WARM_UP, "warm")
            sent += _WARM_UP
            for before, processes in zip((0, *COUNTS), COUNTS, strict=False):
                if before:
                    say(f"From {before} to {processes} of each stage, under load ...")
                    change = await crowd.join(range(before, processes))
                    found.changes.append(change)
                    sent += len(change.latencies_ms)
                say(f"A backlog of {count:,}, {processes} of each stage ...")
                found.drains[processes] = await crowd.drain(count, f"by {processes}")
                sent += count
            for kill in (False, True):
                replica = COUNTS[-1] - 1 - kill
                say(f"One of each stage {'is killed' if kill else 'leaves'}, under load ...")
                change = await crowd.leave(replica, kill=kill)
                found.changes.append(change)
                sent += len(change.latencies_ms)
            await flow.until_through()
            found.once = await found_once(rig.database, await flow.log.endings(ends), sent)
        finally:
            await workers.stop()
    return found


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The processes of the place and those beside them, as one."""

    rig: Rig
    workers: Workers
    flow: Flow

    async def drain(self, count: int, name: str) -> Drain:
        events = self.rig.people.payments(count, name=f"scale {name}")
        drain = await self.flow.drain(
            count,
            partial(self.rig.publish, events),
            held=self._held(),
            meter=self._meter(),
            free=GENERATOR,
        )
        return Drain(drain.count, drain.took_s, by_stage(drain.cpu_us, self.rig.place))

    async def join(self, replicas: range) -> Change:
        change = Change(f"{replicas.start} to {replicas.stop} of each stage")
        async with self._load(change, _BEFORE_S + _JOIN_S):
            await self.rig.clock.sleep(_BEFORE_S)
            names = []
            for replica in replicas:
                for stage in ROUTE:
                    pack = Pack(name=f"{stage}-{replica}", stages=(stage,), replica=replica)
                    self.workers.start(pack)
                    names.append(pack.name)
            change.first_record_s += await asyncio.gather(*map(self._first_record_s, names))
        return change

    async def leave(self, replica: int, *, kill: bool) -> Change:
        change = Change(f"one of each stage {'killed' if kill else 'stopped'}")
        names = [f"{stage}-{replica}" for stage in ROUTE]
        async with self._load(change, _BEFORE_S + _LEAVE_S):
            await self.rig.clock.sleep(_BEFORE_S)
            if kill:
                self.workers.kill(*names)
            else:
                await self.workers.stop(*names)
        return change

    @asynccontextmanager
    async def _load(self, change: Change, seconds: float) -> AsyncIterator[None]:
        """Payments at a fixed rate meanwhile, at least for so long; notes when each was posted."""
        rig, clock = self.rig, self.rig.clock
        start = await self.flow.log.ends()
        meant_ms: dict[UUID, float] = {}
        events = rig.people.payments(int(seconds * RATE_PER_S), name=f"scale {change.name}")

        together: Together[Event] = Together(rig.publish)

        async def send(number: int, _intended_s: float) -> None:
            event = events[number].model_copy(update={"accepted_at": clock.now()})
            meant_ms[event.payment_id] = clock.now().timestamp() * 1000
            await together.send(event)

        load = asyncio.create_task(at_rate(RATE_PER_S, seconds, send, clock))
        try:
            yield
            await load
        finally:
            load.cancel()
        await self.flow.until_through()
        ended = await self.flow.log.ended_at_ms(start)
        change.latencies_ms += [
            max(0.0, ended[payment_id][1] + 1 - at_ms) for payment_id, at_ms in meant_ms.items()
        ]

    async def _first_record_s(self, name: str) -> float:
        """Until a process has handled its first batch, as its own count says."""
        clock = self.rig.clock
        began_s = clock.monotonic_s()
        url = f"http://{LOOPBACK}:{self.workers.metrics_ports[name]}/metrics"
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(_FIRST_S_MAX):
            while True:
                try:
                    answer = await client.get(url)
                except httpx.HTTPError:
                    answer = None
                if answer is not None and _FIRST_BATCH.search(answer.text):
                    return clock.monotonic_s() - began_s
                await clock.sleep(_LOOK_S)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with ExitStack() as both:
            both.enter_context(self.rig.place.held())
            both.enter_context(self.workers.held())
            yield

    def _meter(self) -> Meter:
        return Meter({**self.rig.place.pids, **self.workers.pids, **self.rig.place.beside})


def by_stage(cpu_us: Mapping[str, float], place: Place) -> dict[str, float]:
    """The processes of one stage together; what is no stage keeps its name."""
    found: dict[str, float] = {}
    for part, spent in cpu_us.items():
        names = place.stages.get(part, (part.rpartition("-")[0] or part,))
        name = names[0] if names[0] in STAGES else part
        found[name] = found.get(name, 0.0) + spent
    return found


def scale_figures(scale: Scale) -> list[Figure]:
    """Rates, CPU, what was felt of members that came and went, and whether all happened once."""
    figures: list[Figure] = []
    for processes, drain in scale.drains.items():
        group = f"{processes} of each stage: backlog of {drain.count:,} payments"
        figures.append(_figure(group, "requested to posted", drain.rate_per_s, "payments/s"))
        figures += [
            _figure(group, f"CPU of one payment, {part}", spent, "us")
            for part, spent in [*drain.cpu_us.items(), ("all of them", drain.all_us)]
        ]
    for change in scale.changes:
        group = f"{change.name}, at {RATE_PER_S} payments/s"
        figures += [
            _figure(group, "requested to posted, p50", percentile(change.latencies_ms, 50), "ms"),
            _figure(group, "slowest payment: the pause", max(change.latencies_ms) / 1000, "s"),
        ]
        figures += _newcomers(group, change.first_record_s)
    if scale.once is not None:
        figures += scale.once.figures(_SHARED)
    return figures


def _newcomers(group: str, first_record_s: Sequence[float]) -> list[Figure]:
    if not first_record_s:
        return []
    name = "slowest newcomer: its start as a process to its first record"
    return [_figure(group, name, max(first_record_s), "s")]


def _figure(group: str, name: str, value: float, unit: str) -> Figure:
    return Figure(group=group, name=name, value=value, unit=unit, shared=_SHARED)
