"""Cost over growth: the same payments again and again, while tables, log and processes grow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.figures import Figure
from bench.flow import Flow
from bench.meter import Reading
from bench.place import GENERATOR, Say
from bench.rig import Rig
from runtime.database import Database

ROUND: Final = 100_000
"""Payments between two readings."""

DRIFT_MAX: Final = 1.10
"""The last round may cost so many times the first."""

_FEED: Final = 50_000
"""Payments fed at once, while the stages are held: for less than their session time-out."""

_GROUP: Final = "cost over growth"
_SHARED: Final = "broker, database, all stages; edges, cache and this generator idle"

_SIZES: Final = """
SELECT coalesce(parent.relname, t.relname) AS name,
       sum(pg_table_size(t.oid))::bigint AS table_bytes,
       sum(pg_indexes_size(t.oid))::bigint AS index_bytes
FROM pg_class AS t
LEFT JOIN pg_inherits ON inhrelid = t.oid
LEFT JOIN pg_class AS parent ON parent.oid = inhparent
WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One round, when it was through. `cpu_us` is of one payment, by part."""

    payments: int
    rate_per_s: float
    cpu_us: Mapping[str, float]
    resident_mb: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes of each table that one payment came to, its indexes apart."""

    rounds: Sequence[Round]
    table_bytes: Mapping[str, float]
    index_bytes: Mapping[str, float]


async def measure_growth(rig: Rig, payments: int, *, round_payments: int, say: Say) -> Growth:
    """So many payments, in rounds, after one that only warms up."""
    rounds: list[Round] = []
    async with Flow(rig.place.bootstrap, clock=rig.clock) as flow:
        await _round(rig, flow, min(round_payments, _FEED), 0, name="warm")
        before = await sizes(rig.database)
        done = 0
        while done < payments:
            done += round_payments
            found = await _round(rig, flow, round_payments, done, name=f"growth {done}")
            rounds.append(found)
            say(f"{done:>9,} payments: {sum(found.cpu_us.values()):.0f} us of CPU each")
        after = await sizes(rig.database)
    grown = {name: after[name] for name in after if name in before}
    return Growth(
        rounds,
        {name: (found[0] - before[name][0]) / done for name, found in grown.items()},
        {name: (found[1] - before[name][1]) / done for name, found in grown.items()},
    )


async def sizes(database: Database) -> dict[str, tuple[int, int]]:
    """Bytes of each table and of its indexes; partitions count for their parent."""
    async with database.connection() as connection:
        rows = await connection.fetch(_SIZES)
    return {row["name"]: (row["table_bytes"], row["index_bytes"]) for row in rows}


def growth_figures(growth: Growth) -> list[Figure]:
    """First against last, sizes, and memory."""
    first, last = growth.rounds[0], growth.rounds[-1]
    done = last.payments
    first_us, last_us = sum(first.cpu_us.values()), sum(last.cpu_us.values())
    figures = [
        _figure(f"CPU of one payment, first {first.payments:,}", first_us, "us"),
        _figure(f"CPU of one payment, last of {done:,}", last_us, "us"),
        _figure("last to first", last_us / first_us, "times", target=DRIFT_MAX),
        _figure("rate of the first round", first.rate_per_s, "payments/s"),
        _figure("rate of the last round", last.rate_per_s, "payments/s"),
    ]
    figures += [
        _figure(f"table {name}, of one payment", each, "bytes")
        for name, each in growth.table_bytes.items()
        if each >= 1
    ]
    figures += [
        _figure(f"indexes of {name}, of one payment", each, "bytes")
        for name, each in growth.index_bytes.items()
        if each >= 1
    ]
    total = sum(growth.table_bytes.values()) + sum(growth.index_bytes.values())
    figures.append(_figure("all tables and indexes, of one payment", total, "bytes"))
    for part, first_mb in first.resident_mb.items():
        figures.append(_figure(f"memory of {part}, first round", first_mb, "MB"))
        figures.append(_figure(f"memory of {part}, last round", last.resident_mb[part], "MB"))
    return figures


async def _round(rig: Rig, flow: Flow, count: int, done: int, *, name: str) -> Round:
    took_s = 0.0
    cpu_us: dict[str, float] = {}
    meter = rig.place.meter
    for start in range(0, count, _FEED):
        part = min(_FEED, count - start)
        events = rig.people.payments(part, name=f"{name} {start}")
        drain = await flow.drain(
            part, partial(rig.publish, events), held=rig.place.held(), meter=meter, free=GENERATOR
        )
        took_s += drain.took_s
        for each, spent_us in drain.cpu_us.items():
            cpu_us[each] = cpu_us.get(each, 0.0) + spent_us * part / count
    return Round(done, count / took_s, cpu_us, _resident_mb(meter.read()))


def _resident_mb(readings: Mapping[str, Reading]) -> dict[str, float]:
    return {part: reading.resident_bytes / 1e6 for part, reading in readings.items()}


def _figure(name: str, value: float, unit: str, *, target: float | None = None) -> Figure:
    return Figure(group=_GROUP, name=name, value=value, unit=unit, target=target, shared=_SHARED)
