"""Measures what the capacity model is made from: one drain with readings of everything around."""

from functools import partial
from pathlib import Path
from typing import Final

from bench.accept import measure_accept
from bench.capacity import Costs
from bench.flow import STAGES, Flow
from bench.growth import sizes
from bench.hot import measure_hot
from bench.meter import cpu_s_between
from bench.place import GENERATOR
from bench.rig import POSTED, Rig
from bench.scale import by_stage
from runtime.database import Database

_EDGE: Final = "payments"
_ACCEPT_S: Final = 3.0
_WAL: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"


async def measure_costs(rig: Rig, count: int) -> Costs:
    """Accept through HTTP, drain a backlog, and drain one onto a hot account."""
    meter = rig.place.meter
    before, posted_before = meter.read(), await rig.count(POSTED)
    await measure_accept(rig, _ACCEPT_S)
    accepted = await rig.count(POSTED) - posted_before
    edge_us = cpu_s_between(before, meter.read())[_EDGE] / accepted * 1e6

    events = rig.people.payments(count, name="costs")
    log_before, tables_before = _log_bytes(rig), await _table_bytes(rig.database)
    wal_before = await rig.count(_WAL)
    async with Flow(rig.place.bootstrap, clock=rig.clock) as flow:
        drain = await flow.drain(
            count, partial(rig.publish, events), held=rig.place.held(), meter=meter, free=GENERATOR
        )
    cpu_us = by_stage(drain.cpu_us, rig.place)
    wal_bytes = (await rig.count(_WAL) - wal_before) / count
    log_bytes = (_log_bytes(rig) - log_before) / count
    database_bytes = (await _table_bytes(rig.database) - tables_before) / count
    hot_rate_per_s = (await measure_hot(rig, count))[0].value
    assert hot_rate_per_s is not None
    return Costs(
        stage_us={stage: cpu_us[stage] for stage in STAGES},
        edge_us=edge_us,
        postgres_us=cpu_us["postgres"],
        kafka_us=cpu_us["kafka"],
        log_bytes=log_bytes,
        database_bytes=database_bytes,
        wal_bytes=wal_bytes,
        hot_rate_per_s=hot_rate_per_s,
    )


def _log_bytes(rig: Rig) -> int:
    """The segments of the payment topics, as they lie on the broker's disk."""
    data = Path(rig.place.titan.directory) / "kafka" / "data"
    return sum(path.stat().st_size for path in data.glob("payment.*/*.log"))


async def _table_bytes(database: Database) -> int:
    return sum(table + index for table, index in (await sizes(database)).values())
