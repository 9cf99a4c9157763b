"""How many payments the edge takes in: POST /payments, each acknowledged by all replicas."""

from typing import Final

from bench.figures import Figure, percentile
from bench.http_client import Client
from bench.lanes import measure_lanes
from bench.latency import payment_request
from bench.rig import Rig

CONNECTIONS: Final = 64
_TARGET_PER_S: Final = 5_000
_ACCEPTED: Final = 202
_SHARED: Final = "one edge process, broker, database, cache, this generator; stages held"


async def measure_accept(rig: Rig, seconds: float) -> list[Figure]:
    """64 connections, each sending its next payment when the last was accepted.

    The stages are held meanwhile (for less than a consumer's session time-out), and let go to
    drain what came in.
    """

    async def ask(client: Client, name: str) -> float:
        began_s = rig.clock.monotonic_s()
        status, _ = await client.ask(payment_request(rig.people, name))
        if status != _ACCEPTED:
            raise RuntimeError(f"POST /payments answered {status}")
        return began_s

    latencies_ms, took_s = await measure_lanes(
        rig, ask, name="accept", connections=CONNECTIONS, payments=1, seconds=seconds
    )
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
