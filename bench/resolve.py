"""How quickly a handle is resolved, and how often from the cache."""

import random
import re
from typing import Final

from bench.figures import Figure, percentile
from bench.http_client import Client, get_request
from bench.open_loop import at_rate
from bench.rig import Rig

RATE_PER_S: Final = 1_000
_CONNECTIONS: Final = 64
_P50_TARGET_MS: Final = 1.0
_P99_TARGET_MS: Final = 5.0
_HIT_TARGET_PERCENT: Final = 95.0
_FOUND: Final = 200
_SHARED: Final = "one edge process, cache, this generator; broker, database, stages idle"
_LOOKUPS: Final = re.compile(
    r'^titan_cache_lookups_total\{cache="handles",result="(\w+)"\} (\S+)$', re.MULTILINE
)


async def measure_resolve(rig: Rig, seconds: float) -> list[Figure]:
    """Open loop over all handles, some asked for far more often than others (Zipf).

    Each handle is asked for once before: what is measured is a cache at work, not a cold start.
    """
    clock = rig.clock
    client = Client(rig.place.handles_url)
    await client.connect(_CONNECTIONS)
    requests = [get_request(f"/handles/resolve?handle={handle}") for handle in rig.people.handles]
    weights = [1 / rank for rank in range(1, len(requests) + 1)]
    count = int(RATE_PER_S * seconds)
    asked = requests + random.Random(count).choices(requests, weights, k=count)
    latencies_ms: list[float] = []

    async def send(number: int, intended_s: float) -> None:
        status, _ = await client.ask(asked[number])
        if status != _FOUND:
            raise RuntimeError(f"GET /handles/resolve answered {status}")
        latencies_ms.append((clock.monotonic_s() - intended_s) * 1000)

    async def lookups() -> dict[str, float]:
        _, body = await client.ask(get_request("/metrics"))
        return {result: float(count) for result, count in _LOOKUPS.findall(body.decode())}

    try:
        warmed = await at_rate(RATE_PER_S, len(requests) / RATE_PER_S, send, clock)
        latencies_ms.clear()
        before = await lookups()
        await at_rate(RATE_PER_S, seconds, lambda number, at_s: send(warmed + number, at_s), clock)
        after = await lookups()
    finally:
        await client.close()
    spent = {result: count - before.get(result, 0.0) for result, count in after.items()}
    group = f"GET /handles/resolve, open loop, {RATE_PER_S} requests/s"
    return [
        *(
            Figure(
                group=group,
                name=f"meant to be sent to answered, p{percent}",
                value=percentile(latencies_ms, percent),
                unit="ms",
                target=target,
                shared=_SHARED,
            )
            for percent, target in ((50, _P50_TARGET_MS), (99, _P99_TARGET_MS))
        ),
        Figure(
            group=group,
            name=f"answered from the cache, {len(requests):,} handles",
            value=100 * spent.get("hit", 0.0) / sum(spent.values()),
            unit="%",
            target=_HIT_TARGET_PERCENT,
            more_is_better=True,
            shared=_SHARED,
        ),
    ]
