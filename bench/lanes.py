"""A closed loop through HTTP: each connection sends its next request when the last was answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from bench.http_client import Client
from bench.rig import POSTED, Rig

_WARM_UP_S: Final = 1.0

Ask = Callable[[Client, str], Awaitable[float]]
"""Sends one request under a name of its own; the time at which it began, in monotonic seconds."""


class Looped(NamedTuple):
    """What the measured part of a loop came to."""

    latencies_ms: list[float]
    took_s: float


async def measure_lanes(
    rig: Rig, ask: Ask, *, name: str, connections: int, payments: int, seconds: float
) -> Looped:
    """Ask for so long after a warm-up; each request is for so many payments.

    The stages are held meanwhile, and drain it afterwards: none is left for the next measurement.
    """
    clock = rig.clock
    posted_before = await rig.count(POSTED)
    client = Client(rig.place.payments_url)
    await client.connect(connections)
    latencies_ms: list[float] = []
    sent = 0

    async def ask_until(end_s: float, *, lane: int, part: str) -> None:
        nonlocal sent
        number = 0
        while clock.monotonic_s() < end_s:
            number += 1
            began_s = await ask(client, f"{name}-{part}-{lane}-{number}")
            latencies_ms.append((clock.monotonic_s() - began_s) * 1000)
            sent += payments

    async def all_lanes(end_s: float, part: str) -> None:
        async with asyncio.TaskGroup() as lanes:
            for lane in range(connections):
                lanes.create_task(ask_until(end_s, lane=lane, part=part))

    with rig.place.held():
        await all_lanes(clock.monotonic_s() + _WARM_UP_S, "warm")
        latencies_ms.clear()
        began_s = clock.monotonic_s()
        await all_lanes(began_s + seconds, "measured")
        took_s = clock.monotonic_s() - began_s
    await client.close()
    await rig.until_count(POSTED, posted_before + sent)
    return Looped(latencies_ms, took_s)
