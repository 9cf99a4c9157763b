"""The capacity model: what so many payments a second need, from what one was measured to cost.

Pure arithmetic on a few measured figures. It is a plan, not a promise: cores of this machine, at a
stated load, with nothing beside them; contention that only shows at size is not in it.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from bench.flow import STAGES
from runtime.topics import topic_map
from schemas.payment import PaymentPosted, PaymentRequested, PaymentResolved, PaymentScreened

RATES_PER_S: Final = (1_000, 10_000, 100_000)

UTILISATION: Final = 0.6
"""Of a core, before latency suffers; the rest is for peaks and for catching up."""

REPLICAS: Final = 3
"""Copies of each record in production: that many brokers write it."""

BURST: Final = 2.0
"""A topic's partitions should take so many times the mean."""

_DAY_S: Final = 86_400
_ROUTE_TOPICS: Final = (
    *(PaymentRequested.TOPIC, PaymentResolved.TOPIC),
    *(PaymentScreened.TOPIC, PaymentPosted.TOPIC),
)
"""Where every payment that is posted has a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What one payment was measured to cost. CPU in us of one core, by stage and server.

    `log_bytes` is on the disk of one broker, over all its topics; `hot_rate_per_s` is what all
    onto one account came to, with everything on the machine that was measured.
    """

    stage_us: Mapping[str, float]
    edge_us: float
    postgres_us: float
    kafka_us: float
    log_bytes: float
    database_bytes: float
    wal_bytes: float
    hot_rate_per_s: float

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """As `python -m bench scale` keeps them."""
        return cls(**document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a rate needs. Bytes are a second, but for the GB of a day."""

    rate_per_s: int
    processes: Mapping[str, int]
    partitions: int
    edge_processes: int
    worker_cores: float
    database_cores: float
    broker_cores: float
    broker_network_bytes: float
    broker_disk_bytes: float
    broker_disk_gb_day: float
    wal_bytes: float
    database_gb_day: float


def plan(costs: Costs, rate_per_s: int) -> Plan:
    """The needs of a rate, in steady state."""
    per_s = rate_per_s / 1e6
    processes = {
        stage: max(1, math.ceil(costs.stage_us[stage] * per_s / UTILISATION)) for stage in STAGES
    }
    # Every broker together: each record comes in once, is copied, and is read by each group.
    log_s = costs.log_bytes * rate_per_s
    reads = statistics.mean(
        len(topic.consumers) for topic in map(topic_map().__getitem__, _ROUTE_TOPICS)
    )
    return Plan(
        rate_per_s=rate_per_s,
        processes=processes,
        partitions=max(12, _round_up(max(processes.values()) * BURST)),
        edge_processes=max(2, math.ceil(costs.edge_us * per_s / UTILISATION)),
        worker_cores=sum(costs.stage_us.values()) * per_s / UTILISATION,
        database_cores=costs.postgres_us * per_s / UTILISATION,
        broker_cores=costs.kafka_us * per_s * REPLICAS / UTILISATION,
        broker_network_bytes=log_s * (1 + (REPLICAS - 1) + reads),
        broker_disk_bytes=log_s * REPLICAS,
        broker_disk_gb_day=log_s * REPLICAS * _DAY_S / 1e9,
        wal_bytes=costs.wal_bytes * rate_per_s,
        database_gb_day=costs.database_bytes * rate_per_s * _DAY_S / 1e9,
    )


def as_markdown(costs: Costs, rates_per_s: Sequence[int] = RATES_PER_S) -> str:
    """A table with a column for each rate."""
    plans = [plan(costs, rate) for rate in rates_per_s]
    rows: list[tuple[str, list[str]]] = [
        *(
            (f"processes of {stage}", [str(each.processes[stage]) for each in plans])
            for stage in STAGES
        ),
        ("processes of the payments edge", [str(each.edge_processes) for each in plans]),
        ("partitions of each payment topic", [str(each.partitions) for each in plans]),
        ("cores for stages", [_cores(each.worker_cores) for each in plans]),
        ("cores for the database primary", [_cores(each.database_cores) for each in plans]),
        ("cores for brokers, all together", [_cores(each.broker_cores) for each in plans]),
        ("WAL of the database", [_rate(each.wal_bytes) for each in plans]),
        ("growth of the database, a day", [_size(each.database_gb_day) for each in plans]),
        (
            "network of the brokers, in and out",
            [_rate(each.broker_network_bytes) for each in plans],
        ),
        ("disks of the brokers, written", [_rate(each.broker_disk_bytes) for each in plans]),
        ("disks of the brokers, a day", [_size(each.broker_disk_gb_day) for each in plans]),
        (
            "share that one account may take",
            [f"{min(1.0, costs.hot_rate_per_s / each.rate_per_s):.0%}" for each in plans],
        ),
    ]
    heads = [f"{rate:,} payments/s" for rate in rates_per_s]
    return "\n".join(
        [
            f"| needed | {' | '.join(heads)} |",
            f"|---|{'---:|' * len(heads)}",
            *(f"| {name} | {' | '.join(values)} |" for name, values in rows),
        ]
    )


def costs_markdown(costs: Costs) -> str:
    """What the plan is made from."""
    rows = [
        *((f"{stage}, CPU", f"{each:,.0f} us") for stage, each in costs.stage_us.items()),
        ("payments edge, CPU", f"{costs.edge_us:,.0f} us"),
        ("PostgreSQL, CPU", f"{costs.postgres_us:,.0f} us"),
        ("Kafka, CPU, one copy", f"{costs.kafka_us:,.0f} us"),
        ("log, all topics, one copy", f"{costs.log_bytes:,.0f} bytes"),
        ("tables and indexes", f"{costs.database_bytes:,.0f} bytes"),
        ("WAL", f"{costs.wal_bytes:,.0f} bytes"),
        ("all onto one account", f"{costs.hot_rate_per_s:,.0f} payments/s"),
    ]
    return "\n".join(
        ["| one payment | measured |", "|---|---:|", *(f"| {a} | {b} |" for a, b in rows)]
    )


def _round_up(value: float) -> int:
    """The next multiple of 12: it divides evenly among 2, 3, 4, 6 and 12 processes."""
    return math.ceil(value / 12) * 12


def _cores(value: float) -> str:
    return f"{value:,.1f}"


def _rate(value: float) -> str:
    return f"{value / 1e6:,.1f} MB/s"


def _size(gigabytes: float) -> str:
    return f"{gigabytes / 1000:,.1f} TB" if gigabytes >= 1000 else f"{gigabytes:,.0f} GB"
