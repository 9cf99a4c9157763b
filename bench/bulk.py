"""How many payments the edge takes in by the thousand: POST /payments/bulk."""

import asyncio
from typing import Final

from bench.figures import Figure, percentile
from bench.http_client import Client, post_request
from bench.people import CURRENCY, People
from bench.rig import POSTED, Rig
from runtime.limits import BULK_PAYMENTS_MAX

CONNECTIONS: Final = 4
_TARGET_PER_S: Final = 15_000
_WARM_UP_S: Final = 1.0
_OK: Final = 200
_ALL_ACCEPTED: Final = b'"refused":0'
_ANSWER_END_BYTES: Final = 40
_SHARED: Final = "one edge process, broker, database, cache, this generator; stages held"


def bulk_request(people: People, name: str) -> bytes:
    """POST /payments/bulk of as many payments as it takes; each name gives other payments."""
    items = []
    for number in range(BULK_PAYMENTS_MAX):
        payer, payee = people.pair()
        items.append(
            f'{{"idempotency_key":"{name}-{number}","from_handle":"{payer}","to_handle":"{payee}",'
            f'"amount":100,"currency":"{CURRENCY}","payment_type":"WALLET",'
            '"description":"A payment of the benchmark"}'
        )
    body = f'{{"payments":[{",".join(items)}]}}'.encode()
    return post_request("/payments/bulk", body, key=name)


async def measure_bulk(rig: Rig, seconds: float) -> list[Figure]:
    """A few connections, each sending its next bulk when the last was answered.

    The stages are held meanwhile, and drain it afterwards, as with single payments.
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
        while clock.monotonic_s() < end_s:
            number += 1
            request = bulk_request(rig.people, f"bulk-{name}-{lane}-{number}")
            began_s = clock.monotonic_s()
            status, answer = await client.ask(request)
            if status != _OK or _ALL_ACCEPTED not in answer[-_ANSWER_END_BYTES:]:
                raise RuntimeError(f"POST /payments/bulk answered {status}, or refused some")
            latencies_ms.append((clock.monotonic_s() - began_s) * 1000)
            sent += BULK_PAYMENTS_MAX

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
    group = f"POST /payments/bulk of {BULK_PAYMENTS_MAX:,}, {CONNECTIONS} connections, acks=all"
    return [
        Figure(
            group=group,
            name="accepted",
            value=len(latencies_ms) * BULK_PAYMENTS_MAX / took_s,
            unit="payments/s",
            target=_TARGET_PER_S,
            more_is_better=True,
            shared=_SHARED,
        ),
        *(
            Figure(
                group=group,
                name=f"request to answer, p{percent}",
                value=percentile(latencies_ms, percent),
                unit="ms",
                shared=_SHARED,
            )
            for percent in (50, 99)
        ),
    ]
