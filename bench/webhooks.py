"""Webhooks to a sink on this machine: how many a second, and what bad endpoints cost the others.

Ten endpoints: eight are well, one is dead (nobody listens at its port), one answers after 10 s.
Deliveries are planned as the stage plans them and sent by the pool of the place. Rates are those of
a backlog, drained; times count from when a delivery was due until it came, at a fixed rate.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from bench.figures import Figure, percentile
from bench.meter import Meter, cpu_s_between
from bench.place import GENERATOR
from bench.rig import Rig
from bench.sink import SLOW, Sink, open_sink
from domain.webhook import delivery_id_of
from projections.webhook_events import plan
from projections.webhook_fold import ToldEvent
from runtime.http.caller import DEMO_CLIENT
from titan.endpoints import connected_settings
from titan.servers.ports import free_port
from titan.webhook_endpoint import open_endpoint

RATE_PER_S: Final = 500
"""The stated load, at which nothing may be late."""

_POOL: Final = "webhook_delivery-1"
_WELL: Final = "abcdefgh"
_DEAD: Final = "dead"
_SLOW: Final = "slow"
_TARGET_PER_S: Final = 1_000
_SHARE_MIN: Final = 0.95
_LATE_MS_MAX: Final = 1_000
_GROWTH_MB_MAX: Final = 10
_CHUNK: Final = 1_000
_TICK_S: Final = 0.02
_LOOK_S: Final = 0.02
_DRAIN_S_MAX: Final = 300.0
_DEAD_FIRST_S: Final = 8.0
"""After so long the bad ones have failed as often as it takes to be sent probes only."""
_ROUNDS: Final = 3
_SHARED: Final = "the pool (1 process), database, this generator with the sink"


@dataclass
class _Bench:
    """All that a measurement works with."""

    rig: Rig
    sink: Sink
    meter: Meter
    pool_pid: int
    endpoints: dict[str, UUID] = field(default_factory=dict)
    number: int = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stop the pool in its tracks, for less than a lease: it stays connected and warm."""
        os.kill(self.pool_pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pool_pid, signal.SIGCONT)

    async def plan(self, names: Sequence[str], count: int) -> list[str]:
        """Plan so many deliveries, spread over these endpoints; their ids."""
        now, ids = self.rig.clock.now(), []
        for start in range(0, count, _CHUNK):
            told = [
                self._event(names[each % len(names)])
                for each in range(start, min(count, start + _CHUNK))
            ]
            async with self.rig.database.connection() as connection:
                await plan(connection, told, now)
            ids += [
                str(delivery_id_of(each.event_id, self.endpoints[each.event_type.split(".")[1]]))
                for each in told
            ]
        return ids

    def _event(self, name: str) -> ToldEvent:
        self.number += 1
        event_id, event_type = uuid5(self.endpoints[name], str(self.number)), f"bench.{name}.v1"
        now = self.rig.clock.now()
        body = {
            "id": str(event_id),
            "type": event_type,
            "occurred_at": now.isoformat(),
            "subject": str(event_id),
            "data": {
                "payment_id": str(event_id),
                "accepted_at": now.isoformat(),
                "posting_id": str(event_id),
                "payer_account_id": str(event_id),
                "payee_account_id": str(event_id),
                "amount_minor": 1_000,
                "currency": "USD",
            },
        }
        place = (None, now, now, None, None, None)
        return ToldEvent(event_id, DEMO_CLIENT, event_type, event_id, *place, json.dumps(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drained:
    rate_per_s: float
    cpu_us: dict[str, float]


async def measure_webhooks(rig: Rig, *, backlog: int, seconds: float, waiting: int) -> list[Figure]:
    """With all well, with two bad ones, with so many waiting for the dead one, and well again."""
    async with _open_bench(rig) as bench:
        await _drain(bench, _CHUNK, rounds=1)
        first, first_ms = await _drain(bench, backlog), await _at_rate(bench, seconds)
        async with _bad_endpoints(bench):
            await bench.plan([_DEAD, _SLOW], backlog // 4)
            await rig.clock.sleep(_DEAD_FIRST_S)
            bad, bad_ms = await _drain(bench, backlog), await _at_rate(bench, seconds)
            before = bench.meter.read()
            await bench.plan([_DEAD], waiting)
            full, full_ms = await _drain(bench, backlog), await _at_rate(bench, seconds)
            after = bench.meter.read()
        last, last_ms = await _drain(bench, backlog), await _at_rate(bench, seconds)
        if bench.sink.repeats > 0:
            raise RuntimeError(f"{bench.sink.repeats} deliveries came twice: nobody was killed")
    grown_mb = (after[_POOL].resident_bytes - before[_POOL].resident_bytes) / 1e6
    row = partial(Figure, shared=_SHARED, group="webhooks, 8 endpoints that are well")
    rate_per_s = (first.rate_per_s + last.rate_per_s) / 2
    p99_ms = (percentile(first_ms, 99) + percentile(last_ms, 99)) / 2
    figures = [
        row(
            name=f"a backlog of {backlog:,}",
            value=rate_per_s,
            unit="deliveries/s",
            target=_TARGET_PER_S,
            more_is_better=True,
        ),
        *(
            row(name=f"CPU of a delivery, {part}", value=spent_us, unit="us")
            for part, spent_us in first.cpu_us.items()
        ),
        *_late(row, [*first_ms, *last_ms]),
    ]
    for group, drained, times_ms in (
        ("webhooks, one more dead and one that answers in 10 s", bad, bad_ms),
        (f"webhooks, and {waiting:,} waiting for the dead one", full, full_ms),
    ):
        row = partial(Figure, shared=_SHARED, group=group)
        share = partial(row, unit="", target=_SHARE_MIN, more_is_better=True)
        figures += [
            row(name=f"a backlog of {backlog:,}", value=drained.rate_per_s, unit="deliveries/s"),
            share(name="of the rate without", value=drained.rate_per_s / rate_per_s),
            *_late(row, times_ms),
            share(name="of the p99 without", value=p99_ms / percentile(times_ms, 99)),
        ]
    figures.append(
        row(name="memory of the pool, grown", value=grown_mb, unit="MB", target=_GROWTH_MB_MAX)
    )
    return figures


@asynccontextmanager
async def _open_bench(rig: Rig) -> AsyncIterator[_Bench]:
    """A sink, and the eight endpoints that are well."""
    directory = rig.place.titan.directory
    pid = int(json.loads((directory / "run" / f"{_POOL}.pid").read_text("utf-8"))["pid"])
    meter = Meter(
        {_POOL: pid, **{name: rig.place.beside[name] for name in ("postgres", GENERATOR)}}
    )
    async with open_sink(rig.clock) as sink, AsyncExitStack() as stack:
        bench = _Bench(rig, sink, meter, pid)
        for name in _WELL:
            await _make(bench, stack, name, sink.url(f"/{name}"))
        yield bench


@asynccontextmanager
async def _bad_endpoints(bench: _Bench) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        await _make(bench, stack, _DEAD, f"http://127.0.0.1:{free_port()}/")
        await _make(bench, stack, _SLOW, bench.sink.url(SLOW))
        yield


async def _make(bench: _Bench, stack: AsyncExitStack, name: str, url: str) -> None:
    description = f"bench {name}"
    # Where the edge is, the place has written down; so it has for every command.
    settings = connected_settings()
    await stack.enter_async_context(
        open_endpoint(settings, url, description=description, event_types=[f"bench.{name}"])
    )
    async with bench.rig.database.connection() as connection:
        bench.endpoints[name] = await connection.fetchval(
            "SELECT endpoint_id FROM webhook_endpoints WHERE event_types = $1", [f"bench.{name}"]
        )


async def _drain(bench: _Bench, count: int, *, rounds: int = _ROUNDS) -> _Drained:
    """The median of some drains: deliveries a second to the eight, and what each costs."""
    drained = [await _drain_once(bench, count) for _ in range(rounds)]
    return sorted(drained, key=lambda each: each.rate_per_s)[rounds // 2]


async def _drain_once(bench: _Bench, count: int) -> _Drained:
    """The pool is held while a backlog is planned, then let go."""
    clock = bench.rig.clock
    with bench.held():
        ids = await bench.plan(_WELL, count)
        before, began_s = bench.meter.read(), clock.monotonic_s()
    await _until_came(bench, ids)
    took_s = max(bench.sink.came_s[each] for each in ids) - began_s
    spent_s = cpu_s_between(before, bench.meter.read())
    return _Drained(
        rate_per_s=count / took_s,
        cpu_us={part: seconds / count * 1e6 for part, seconds in spent_s.items()},
    )


async def _at_rate(bench: _Bench, seconds: float) -> list[float]:
    """From due to come, in ms, of each delivery at RATE_PER_S to the eight."""
    clock, due_s = bench.rig.clock, dict[str, float]()
    began_s, planned = clock.monotonic_s(), 0
    while planned < RATE_PER_S * seconds:
        await clock.sleep(_TICK_S)
        now_s = clock.monotonic_s()
        wanted = int((now_s - began_s) * RATE_PER_S) - planned
        if wanted > 0:
            due_s.update(dict.fromkeys(await bench.plan(_WELL, wanted), now_s))
            planned += wanted
    await _until_came(bench, list(due_s))
    return [(bench.sink.came_s[each] - at_s) * 1000 for each, at_s in due_s.items()]


async def _until_came(bench: _Bench, ids: Sequence[str]) -> None:
    async with asyncio.timeout(_DRAIN_S_MAX):
        while not all(each in bench.sink.came_s for each in reversed(ids)):
            await bench.rig.clock.sleep(_LOOK_S)


def _late(row: "partial[Figure]", times_ms: Sequence[float]) -> list[Figure]:
    name = f"due to come at {RATE_PER_S}/s"
    return [
        row(name=f"{name}, p50", value=percentile(times_ms, 50), unit="ms"),
        row(name=f"{name}, p99", value=percentile(times_ms, 99), unit="ms"),
        row(name=f"{name}, the latest", value=max(times_ms), unit="ms", target=_LATE_MS_MAX),
    ]
