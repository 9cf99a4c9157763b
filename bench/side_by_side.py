"""The same payments to Titan and to a Blnk server, where one is reachable."""

import asyncio
import random
from typing import Final
from uuid import uuid4

import httpx

from bench.blnk import Blnk, Transfer
from bench.figures import Figure
from bench.http_client import Client
from bench.latency import payment_request
from bench.rig import POSTED, Rig
from runtime.clock import Clock

URL_VARIABLE: Final = "TITAN_BENCH_BLNK_URL"
KEY_VARIABLE: Final = "TITAN_BENCH_BLNK_KEY"

CONNECTIONS: Final = 16
_BALANCES: Final = 50
_BULK: Final = 100
_FUNDS_MINOR: Final = 10**9
_ACCEPTED: Final = 202
_GROUP: Final = "side by side"
_SHARED: Final = "the one that is measured, and this generator"


async def measure_side_by_side(
    rig: Rig, count: int, *, url: str | None, key: str | None
) -> list[Figure]:
    """Post so many payments to each, from as many connections, until all are booked."""
    titan_per_s = await _titan_per_s(rig, count)
    titan = Figure(
        group=_GROUP,
        name=f"Titan, {count:,} times POST /payments until posted and projected",
        value=titan_per_s,
        unit="payments/s",
        shared=_SHARED,
    )
    if url is None:
        return [titan, _unmeasured(f"Blnk (set {URL_VARIABLE} to a server)")]
    try:
        single_per_s, bulk_per_s = await blnk_per_s(url, key, count, clock=rig.clock)
    except (httpx.HTTPError, RuntimeError, ValueError) as error:
        return [titan, _unmeasured(f"Blnk ({type(error).__name__}: {error})")]
    return [
        titan,
        *(
            Figure(group=_GROUP, name=name, value=value, unit=unit, shared=_SHARED)
            for name, value, unit in (
                (f"Blnk, {count:,} times POST /transactions", single_per_s, "payments/s"),
                (f"Blnk, POST /transactions/bulk of {_BULK}", bulk_per_s, "payments/s"),
                ("Titan, times Blnk", titan_per_s / single_per_s, "times"),
                ("Titan, times Blnk in bulk", titan_per_s / bulk_per_s, "times"),
            )
        ),
    ]


async def blnk_per_s(url: str, key: str | None, count: int, *, clock: Clock) -> tuple[float, float]:
    """Payments applied a second: one by one, and in bulk; what was refused does not count."""
    chance = random.Random(count)
    # References are used up for good, and the server may have seen an earlier run.
    run = uuid4().hex[:12]
    async with Blnk(url, key=key, connections=CONNECTIONS) as blnk:
        balances = await blnk.open_balances(_BALANCES, name=run, funds_minor=_FUNDS_MINOR)
        pairs = [chance.sample(balances, k=2) for _ in range(2 * count)]
        transfers = [
            Transfer(source, destination, 100, f"{run}-{number}")
            for number, (source, destination) in enumerate(pairs)
        ]
        waiting = iter(transfers[:count])
        applied = 0

        async def lane() -> None:
            nonlocal applied
            for transfer in waiting:
                applied += await blnk.pay(transfer)

        began_s = clock.monotonic_s()
        await asyncio.gather(*(lane() for _ in range(CONNECTIONS)))
        single_per_s = applied / (clock.monotonic_s() - began_s)
        began_s = clock.monotonic_s()
        in_bulk = 0
        for start in range(count, 2 * count, _BULK):
            in_bulk += await blnk.pay_in_bulk(transfers[start : start + _BULK])
        bulk_per_s = in_bulk / (clock.monotonic_s() - began_s)
    if not applied or not in_bulk:
        raise RuntimeError("it applied nothing")
    return single_per_s, bulk_per_s


async def _titan_per_s(rig: Rig, count: int) -> float:
    posted_before = await rig.count(POSTED)
    client = Client(rig.place.payments_url)
    await client.connect(CONNECTIONS)
    numbers = iter(range(count))

    async def lane() -> None:
        for number in numbers:
            status, _ = await client.ask(payment_request(rig.people, f"side-{number}"))
            if status != _ACCEPTED:
                raise RuntimeError(f"POST /payments answered {status}")

    began_s = rig.clock.monotonic_s()
    try:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(CONNECTIONS):
                lanes.create_task(lane())
        await rig.until_count(POSTED, posted_before + count)
        return count / (rig.clock.monotonic_s() - began_s)
    finally:
        await client.close()


def _unmeasured(name: str) -> Figure:
    return Figure(group=_GROUP, name=name, value=None, unit="", shared=_SHARED)
