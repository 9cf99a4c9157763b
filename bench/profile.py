"""The profile of one payment: CPU by stage and function, with database and broker beside."""

import asyncio
import json
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from bench.flow import STAGES, Flow
from bench.insides import each_us, kafka_cpu_s, postgres_cpu_s
from bench.place import GENERATOR
from bench.rig import Rig
from bench.workers import Workers
from titan.packing import Pack

FUNCTIONS_SHOWN: Final = 12
_WARM_UP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Profile:
    """Microseconds of CPU of one payment.

    `stages` is the whole of each process, `functions` its share by innermost Python function,
    `database` and `broker` are by their own parts.
    """

    payments: int
    rate_per_s: float
    stages: Mapping[str, float]
    functions: Mapping[str, Mapping[str, float]]
    database: Mapping[str, float]
    broker: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Everything, for keeping."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What was kept."""
        return cls(**document)


async def measure_profile(rig: Rig, count: int) -> Profile:
    """Drain a backlog with one process a stage, each of which watches itself."""
    place = rig.place
    for child in place.titan.children:
        if child.program.name in place.stages:
            await child.stop()
    workers = Workers(place, clock=rig.clock, say=print)
    with tempfile.TemporaryDirectory(prefix="titan-profile-") as name:
        files = {stage: Path(name) / f"{stage}.json" for stage in STAGES}
        try:
            for stage, path in files.items():
                command = ("bench.profiled_worker", str(path))
                workers.start(Pack(name=stage, stages=(stage,), replica=0), command=command)
            await workers.until_ready()
            profile = await _measure(rig, workers, count)
        finally:
            await workers.stop()
        samples = {
            stage: json.loads(await asyncio.to_thread(path.read_text, encoding="utf-8"))
            for stage, path in files.items()
        }
    functions = {
        stage: functions_us(samples[stage], profile.stages[stage]) for stage in profile.stages
    }
    return Profile(
        profile.payments,
        profile.rate_per_s,
        profile.stages,
        functions,
        profile.database,
        profile.broker,
    )


async def _measure(rig: Rig, workers: Workers, count: int) -> Profile:
    postgres_pid, kafka_pid = rig.place.beside["postgres"], rig.place.beside["kafka"]
    async with Flow(rig.place.bootstrap, clock=rig.clock) as flow:

        async def drained(number: int, name: str) -> tuple[float, Mapping[str, float]]:
            events = rig.people.payments(number, name=f"profile {name}")
            drain = await flow.drain(
                number,
                partial(rig.publish, events),
                held=workers.held(),
                meter=workers.meter(),
                free=GENERATOR,
            )
            return drain.rate_per_s, drain.cpu_us

        await drained(_WARM_UP, "warm")
        for pid in workers.pids.values():
            os.kill(pid, signal.SIGUSR1)
        database = await postgres_cpu_s(rig.database, postgres_pid)
        broker = kafka_cpu_s(kafka_pid)
        rate_per_s, cpu_us = await drained(count, "measured")
        return Profile(
            count,
            rate_per_s,
            {stage: cpu_us[stage] for stage in STAGES},
            {},
            each_us(database, await postgres_cpu_s(rig.database, postgres_pid), count),
            each_us(broker, kafka_cpu_s(kafka_pid), count),
        )


def functions_us(samples: Mapping[str, int], whole_us: float) -> dict[str, float]:
    """A process's time, shared out by how often each function was seen; most first."""
    seen = Counter(samples)
    total = max(1, seen.total())
    return {name: whole_us * count / total for name, count in seen.most_common()}


def as_markdown(profile: Profile) -> list[str]:
    """Tables: the whole, then each stage's dearest functions."""
    whole = {
        **{f"stage {name}": spent for name, spent in profile.stages.items()},
        "PostgreSQL": sum(profile.database.values()),
        "Kafka": sum(profile.broker.values()),
    }
    run = f"{profile.payments:,} payments, {profile.rate_per_s:,.0f} payments/s while watched"
    lines = [
        f"A backlog of {run}, one process a stage.",
        *_table("part", {**whole, "**all of them**": sum(whole.values())}),
        *_table("inside PostgreSQL", _at_least(profile.database, 0.5)),
        *_table("inside Kafka", _at_least(profile.broker, 0.5)),
    ]
    for stage, functions in profile.functions.items():
        shown = dict(list(functions.items())[:FUNCTIONS_SHOWN])
        rest = sum(functions.values()) - sum(shown.values())
        lines += _table(
            f"{stage}, by function",
            {**{f"`{name}`": spent for name, spent in shown.items()}, "everything else": rest},
        )
    return lines


def _at_least(spent: Mapping[str, float], least_us: float) -> dict[str, float]:
    return {name: each for name, each in spent.items() if each >= least_us}


def _table(head: str, rows: Mapping[str, float]) -> Sequence[str]:
    return [
        "",
        f"| {head} | us |",
        "|---|---:|",
        *(f"| {name} | {spent:,.1f} |" for name, spent in rows.items()),
    ]
