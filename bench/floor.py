"""The empty pipeline of the same shape: what hops, fsyncs and the loop alone cost, in this run.

As many hops over the same broker, with the same partitions, groups, loop and sizes of records, in
as many processes; see floor_worker.py. Its generator stands in for the edge: no HTTP is in it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import asyncpg

from bench.figures import Figure, percentile
from bench.floor_worker import TABLE
from bench.flow import ALL, STAGES, Drain, Flow
from bench.open_loop import Together, at_rate
from bench.place import GENERATOR
from bench.rig import Rig
from bench.workers import Workers
from runtime import limits
from runtime.publisher import KafkaPublisher
from runtime.topic_admin import apply_topics
from runtime.topics import TopicMap, group_of, topic_map
from schemas.wire import Message
from titan.packing import pack, stages_of

PREFIX: Final = "floor-"

_PROCESSES: Final = 2

_PACKS: Final = tuple(
    replace(each, name=f"floor-{number}", stages=tuple(s for s in each.stages if s in STAGES))
    for number, each in enumerate(pack(stages_of(topic_map()), _PROCESSES), 1)
)
_WARM_UP: Final = 5_000
_WARM_UP_S: Final = 1.0
_CHUNK: Final = 1_000
_SHARED: Final = "broker, database where it commits, empty stages, this generator; Titan idle"


def variant(*, commits: bool) -> str:
    """What the figures of either kind are called."""
    return f"empty pipeline, {'a commit a batch and hop' if commits else 'no commits'}"


@dataclass(frozen=True, slots=True)
class Floor:
    """An empty pipeline that runs."""

    rig: Rig
    workers: Workers
    publisher: KafkaPublisher
    flow: Flow
    commits: bool

    def messages(self, count: int, name: str) -> list[Message]:
        """Records as an edge would make them; each name gives other payments."""
        rig = self.rig
        return rig.messages(rig.people.payments(count, name=f"floor {self.commits} {name}"))

    async def publish(self, messages: Sequence[Message]) -> None:
        """Put records on its first topic, acknowledged."""
        for start in range(0, len(messages), _CHUNK):
            await self.publisher.publish(
                messages[start : start + _CHUNK], deadline_s=limits.STAGE_PUBLISH_S_MAX
            )

    async def drain(self, count: int, *, name: str) -> Drain:
        """A backlog of so many, handed on by every hop; as the drain of the pipeline."""
        messages = self.messages(count, name)
        return await self.flow.drain(
            count,
            lambda: self.publish(messages),
            held=self.workers.held(),
            meter=self.workers.meter(),
            free=GENERATOR,
        )


@asynccontextmanager
async def open_floor(rig: Rig, *, commits: bool) -> AsyncIterator[Floor]:
    """Start one beside the Titan of the rig; at the end only its topics are left."""
    place = rig.place
    await _prepare(rig)
    settings = place.settings.model_copy(update={"topic_prefix": PREFIX})
    workers = Workers(place, clock=rig.clock, say=print)
    publisher = KafkaPublisher(place.bootstrap, prefix=PREFIX, settings=settings, role="floor")
    command = ("bench.floor_worker", *(["--commit"] if commits else []))
    async with Flow(place.bootstrap, clock=rig.clock, prefix=PREFIX) as flow:
        floor = Floor(rig, workers, publisher, flow, commits)
        try:
            await publisher.start()
            for each in _PACKS:
                workers.start(each, command=command, settings=settings)
            await floor.publish(floor.messages(_WARM_UP, "warm"))
            await flow.until_through()
            yield floor
        finally:
            await workers.stop()
            await publisher.stop()


async def measure_floor_drain(floor: Floor, count: int) -> list[Figure]:
    """The figures of one backlog."""
    drain = await floor.drain(count, name="drain")
    group = f"{variant(commits=floor.commits)}: backlog of {count:,} records"
    return [
        Figure(
            group=group,
            name="first topic to last topic",
            value=drain.rate_per_s,
            unit="payments/s",
            shared=_SHARED,
        ),
        *(
            Figure(group=group, name=f"CPU, {part}", value=value, unit="us", shared=_SHARED)
            for part, value in [*drain.cpu_us.items(), (ALL, drain.all_us)]
        ),
    ]


async def measure_floor_latency(floor: Floor, rate_per_s: int, seconds: float) -> list[Figure]:
    """Records at a fixed rate; from when each was acknowledged to when the last topic had it."""
    await _acknowledged_ms(floor, rate_per_s, _WARM_UP_S, name="warm")
    start = await floor.flow.log.ends()
    acknowledged_ms = await _acknowledged_ms(floor, rate_per_s, seconds, name="open")
    await floor.flow.until_through()
    ended = await floor.flow.log.ended_at_ms(start)
    # The broker's whole ms are rounded down: up here, as for the pipeline.
    latencies_ms = [max(0.0, ended[each][1] + 1 - at_ms) for each, at_ms in acknowledged_ms.items()]
    return [
        Figure(
            group=f"{variant(commits=floor.commits)}: open loop",
            name=f"{rate_per_s} payments/s, acknowledged to last topic, p{percent}",
            value=percentile(latencies_ms, percent),
            unit="ms",
            shared=_SHARED,
        )
        for percent in (50, 99)
    ]


async def _acknowledged_ms(
    floor: Floor, rate_per_s: int, seconds: float, *, name: str
) -> Mapping[UUID, float]:
    rig = floor.rig
    events = rig.people.payments(
        int(rate_per_s * seconds), name=f"floor {floor.commits} {name} {rate_per_s}"
    )
    messages = rig.messages(events)
    acknowledged_ms: dict[UUID, float] = {}
    together = Together(floor.publish)

    async def send(number: int, _intended_s: float) -> None:
        await together.send(messages[number])
        acknowledged_ms[events[number].payment_id] = rig.clock.now().timestamp() * 1000

    await at_rate(rate_per_s, seconds, send, rig.clock)
    return acknowledged_ms


def floor_topics() -> TopicMap:
    """The topics that its stages read or publish to."""
    groups = {group_of(stage) for stage in STAGES}
    topics = [
        topic
        for topic in topic_map().topics
        if groups.intersection(each.group for each in topic.consumers)
    ]
    return topic_map().model_copy(update={"topics": topics})


async def _prepare(rig: Rig) -> None:
    """Its topics and its table; there already the second time."""
    await apply_topics(
        rig.place.bootstrap,
        floor_topics(),
        prefix=PREFIX,
        profile=rig.place.settings.profile,
    )
    # As the owner: the role that the processes work as makes no tables.
    connection = await asyncpg.connect(rig.place.dsn)
    try:
        await connection.execute(TABLE)
    finally:
        await connection.close()
