"""How many payments the edge takes in by the thousand: POST /payments/bulk."""

from typing import Final

from bench.figures import Figure, percentile
from bench.http_client import Client, post_request
from bench.lanes import measure_lanes
from bench.people import CURRENCY, People
from bench.rig import Rig
from runtime.limits import BULK_PAYMENTS_MAX

CONNECTIONS: Final = 4
_TARGET_PER_S: Final = 15_000
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

    async def ask(client: Client, name: str) -> float:
        request = bulk_request(rig.people, name)
        began_s = rig.clock.monotonic_s()
        status, answer = await client.ask(request)
        if status != _OK or _ALL_ACCEPTED not in answer[-_ANSWER_END_BYTES:]:
            raise RuntimeError(f"POST /payments/bulk answered {status}, or refused some")
        return began_s

    latencies_ms, took_s = await measure_lanes(
        rig,
        ask,
        name="bulk",
        connections=CONNECTIONS,
        payments=BULK_PAYMENTS_MAX,
        seconds=seconds,
    )
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
