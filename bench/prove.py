"""A proof of many payments: what it takes, and what payments feel of one that runs beside them."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from bench.figures import Figure
from bench.flow import Flow
from bench.latency import measure_latency
from bench.place import Say
from bench.rig import Rig
from bench.titan_command import run_titan

SECONDS_MAX: Final = 180.0
MEMORY_MB_MAX: Final = 500.0
"""Of a million payments."""

RATE_PER_S: Final = 100
_LATENCY_S: Final = 30.0
_FEED: Final = 50_000
_AHEAD_MAX: Final = 2 * _FEED
_LOOK_S: Final = 0.2
_FELT: Final = "202 received to payment.posted appended"
_SHARED: Final = "broker, database, cache, all edges and stages; nothing else asked for"


async def measure_prove(rig: Rig, payments: int, *, say: Say) -> list[Figure]:
    """Pay so often, prove it once alone, and once beside payments at a steady rate."""
    say(f"Paying {payments:,} times ...")
    await _pay(rig, payments)
    say("Proving ...")
    alone = await _proof(rig)
    group = f"titan prove, {payments:,} payments"
    events = alone["events"]
    took_s = alone["took_s"]
    say(f"Payments at {RATE_PER_S}/s, without a proof and beside one ...")
    before = await measure_latency(rig, RATE_PER_S, _LATENCY_S, name="without a proof")
    proving = asyncio.create_task(_proof(rig))
    beside = await measure_latency(rig, RATE_PER_S, _LATENCY_S, name="beside a proof")
    if proving.done():
        raise RuntimeError("the proof ended before the payments beside it: take more payments")
    await proving
    return [
        _figure(group, "from its start to its report", took_s, "s", SECONDS_MAX),
        _figure(group, "memory", alone["memory_mb"], "MB", MEMORY_MB_MAX),
        _figure(group, "events read and joined", events / took_s, "events/s"),
        *_felt(before),
        *_felt(beside),
    ]


async def _pay(rig: Rig, payments: int) -> None:
    start = await rig.log.ends()
    for done in range(0, payments, _FEED):
        count = min(_FEED, payments - done)
        await rig.publish(rig.people.payments(count, name=f"prove {done}"))
        while await rig.log.ended_since(start) < done + count - _AHEAD_MAX:
            await rig.clock.sleep(_LOOK_S)
    await rig.until_ended(start, payments)
    async with Flow(rig.place.bootstrap, clock=rig.clock) as flow:
        await flow.until_through()


async def _proof(rig: Rig) -> dict[str, Any]:
    """Its report, and how long all of it took."""
    environment = {**os.environ, "TITAN_DATA_DIRECTORY": str(rig.place.titan.directory)}
    report, took_s = await run_titan("prove", environment=environment, clock=rig.clock)
    return {**report, "took_s": took_s}


def _felt(figures: Sequence[Figure]) -> list[Figure]:
    """Of a latency run what matters here; its targets are another's."""
    return [replace(each, target=None) for each in figures if each.name.startswith(_FELT)]


def _figure(group: str, name: str, value: float, unit: str, target: float | None = None) -> Figure:
    return Figure(group=group, name=name, value=value, unit=unit, target=target, shared=_SHARED)
