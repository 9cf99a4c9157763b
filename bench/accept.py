"""How many payments the edge takes in: POST /payments, each acknowledged by all replicas."""

import asyncio
from typing import Final

from bench.figures import Figure, percentile
from bench.http_client import Client
from bench.latency import payment_request
from bench.rig import POSTED, Rig

CONNECTIONS: Final = 64
_TARGET_PER_S: Final = 5_000
_WARM_UP_S: Final = 1.0
_ACCEPTED: Final = 202
_SHARED: Final = "one edge process, broker, database, cache, this generator; stages held"


async def measure_accept(rig: Rig, seconds: float) -> list[Figure]:
    """64 connections, each sending its next payment when the last was accepted.

    The stages are held meanwhile (for less than a consumer's session time-out), and let go to
    drain what came in.
    """
    clock = rig.clock
    posted_before = await rig.count(POSTED)
    client = Client(rig.place.payments_url)
    await client.connect(CONNECTIONS)
    latencies_ms: list[float] = []
    sent = 0

    async def send_until(end_s: float, *, lane: int, name: str) -> None:
        nonlocal sent
        number = 0
        while (began_s := clock.monotonic_s()) < end_s:
            number += 1
            request = payment_request(rig.people, f"accept-{name}-{lane}-{number}")
            status, _ = await client.ask(request)
            if status != _ACCEPTED:
                raise RuntimeError(f"POST /payments answered {status}")
            latencies_ms.append((clock.monotonic_s() - began_s) * 1000)
            sent += 1

    async def all_lanes(end_s: float, name: str) -> None:
        async with asyncio.TaskGroup() as lanes:
            for lane in range(CONNECTIONS):
                lanes.create_task(send_until(end_s, lane=lane, name=name))

    with rig.place.held():
        await all_lanes(clock.monotonic_s() + _WARM_UP_S, "warm")
        latencies_ms.clear()
        began_s = clock.monotonic_s()
        await all_lanes(began_s + seconds, "measured")
        took_s = clock.monotonic_s() - began_s
    await client.close()
    await rig.until_count(POSTED, posted_before + sent)
    group = f"POST /payments, {CONNECTIONS} connections, acks=all"
    return [
        Figure(
            group=group,
            name="accepted",
            value=len(latencies_ms) / took_s,
            unit="payments/s",
            target=_TARGET_PER_S,
            more_is_better=True,
            shared=_SHARED,
        ),
        *(
            Figure(
                group=group,
                name=f"request to 202, p{percent}",
                value=percentile(latencies_ms, percent),
                unit="ms",
                shared=_SHARED,
            )
            for percent in (50, 99)
        ),
    ]
