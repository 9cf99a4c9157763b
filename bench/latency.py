"""From accepted to posted at a fixed rate of payments, through HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from bench.figures import Figure, percentile
from bench.http_client import Client, post_request
from bench.open_loop import at_rate
from bench.people import CLIENT, CURRENCY, People
from bench.rig import POSTED, Rig
from domain.payment import FINAL, State
from producers.payments.decide import payment_id_for
from projections.payments import CHANNEL, states
from runtime.changes import Changes, Feed
from schemas.payment import PaymentPosted

TARGETS_MS: Final[Mapping[int, tuple[float, float]]] = {
    100: (10.0, 40.0),
    500: (20.0, 60.0),
    1_000: (30.0, 100.0),
}
"""By payments a second: p50 and p99 of accepted to posted, in ms."""

_WARM_UP_S: Final = 3.0
_CONNECTIONS: Final = 64
_TOLD_EVERY_S: Final = 0.1
"""So often one payment is waited for as well, as an edge does for `Prefer: wait`."""

_TOLD_S_MAX: Final = 10.0
_ACCEPTED: Final = 202
_SHARED: Final = "broker, database, cache, all edges and stages, this generator"


@dataclass(slots=True)
class _Seen:
    accept_ms: list[float] = field(default_factory=list)
    accepted_at_ms: dict[UUID, float] = field(default_factory=dict)
    told_ms: list[float] = field(default_factory=list)


def payment_request(people: People, key: str) -> bytes:
    """POST /payments between two of the people."""
    payer, payee = people.pair()
    body = {
        "from_handle": payer,
        "to_handle": payee,
        "amount": 100,
        "currency": CURRENCY,
        "payment_type": "WALLET",
        "description": "A payment of the benchmark",
    }
    return post_request("/payments", json.dumps(body).encode(), key=key)


async def measure_latency(
    rig: Rig, rate_per_s: int, seconds: float, *, name: str = ""
) -> list[Figure]:
    """Send at the rate; a name is of one run among others at that rate.

    Each 202 is held against the time at which payment.posted was appended. The broker stamps whole
    ms, rounded down; they are rounded up here, so what is reported is at most 1 ms too much and
    never too little.
    """
    changes = Changes(rig.place.dsn, name="bench", clock=rig.clock)

    async def load(payment_ids: Sequence[UUID]) -> Mapping[UUID, State]:
        async with rig.database.connection() as connection:
            return await states(connection, payment_ids)

    feed = changes.feed(CHANNEL, load)
    changes.start()
    client = Client(rig.place.payments_url)
    await client.connect(_CONNECTIONS)
    start = await rig.log.ends()
    posted_before = await rig.count(POSTED)
    try:
        warm = await _run(rig, client, feed, rate_per_s, _WARM_UP_S, name=f"{name}warm")
        seen = await _run(rig, client, feed, rate_per_s, seconds, name=f"{name}measured")
    finally:
        await client.close()
        await changes.stop()
    sent = len(warm.accepted_at_ms) + len(seen.accepted_at_ms)
    await rig.until_count(POSTED, posted_before + sent)
    ended = await rig.log.ended_at_ms(start)
    posted_ms = []
    for payment_id, accepted_at_ms in seen.accepted_at_ms.items():
        topic, appended_at_ms = ended[payment_id]
        if topic != PaymentPosted.TOPIC:
            raise RuntimeError("a payment of the benchmark was refused")
        posted_ms.append(max(0.0, appended_at_ms + 1 - accepted_at_ms))
    group = f"open loop, {rate_per_s} payments/s"
    return _figures(f"{group}, {name}" if name else group, rate_per_s, seen, posted_ms)


async def _run(
    rig: Rig,
    client: Client,
    feed: Feed[UUID, State],
    rate_per_s: int,
    seconds: float,
    *,
    name: str,
) -> _Seen:
    clock, seen = rig.clock, _Seen()
    told_every = max(1, int(rate_per_s * _TOLD_EVERY_S))

    async def send(number: int, intended_s: float) -> None:
        key = f"{name}-{rate_per_s}-{number}"
        status, _ = await client.ask(payment_request(rig.people, key))
        accepted_s = clock.monotonic_s()
        accepted_at_ms = clock.now().timestamp() * 1000
        if status != _ACCEPTED:
            raise RuntimeError(f"POST /payments answered {status}")
        payment_id = payment_id_for(CLIENT, key)
        seen.accept_ms.append((accepted_s - intended_s) * 1000)
        seen.accepted_at_ms[payment_id] = accepted_at_ms
        if number % told_every == 0:
            await feed.wait_for(payment_id, FINAL.__contains__, timeout_s=_TOLD_S_MAX)
            seen.told_ms.append((clock.monotonic_s() - accepted_s) * 1000)

    await at_rate(rate_per_s, seconds, send, clock)
    return seen


def _figures(group: str, rate_per_s: int, seen: _Seen, posted_ms: Sequence[float]) -> list[Figure]:
    p50_target, p99_target = TARGETS_MS.get(rate_per_s, (None, None))
    return [
        Figure(
            group=group,
            name=f"{name}, p{percent}",
            value=percentile(values, percent),
            unit="ms",
            target=target,
            shared=_SHARED,
        )
        for name, values, percent, target in (
            ("202 received to payment.posted appended", posted_ms, 50, p50_target),
            ("202 received to payment.posted appended", posted_ms, 99, p99_target),
            ("202 received to a waiter told by the projection", seen.told_ms, 50, None),
            ("202 received to a waiter told by the projection", seen.told_ms, 99, None),
            ("meant to be sent to 202 received", seen.accept_ms, 50, None),
            ("meant to be sent to 202 received", seen.accept_ms, 99, None),
        )
    ]
