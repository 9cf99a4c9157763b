"""A standing backlog, drained: payments a second, and what each costs every process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.figures import Figure
from bench.meter import Reading, cpu_s_between
from bench.rig import POSTED, Rig

CPU_GROUP: Final = "CPU of one payment of the backlog"

_TARGET_PER_S: Final = 10_000
_SHARED: Final = "broker, database, all stages; edges, cache and this generator idle"


@dataclass(frozen=True, slots=True)
class Drained:
    """The figures, and a reading from when half of the backlog was posted."""

    figures: list[Figure]
    middle: Mapping[str, Reading]


async def measure_drain(rig: Rig, count: int, *, name: str = "drain") -> Drained:
    """Write so many payment.requested while the stages are held, let them go, and look on.

    The time runs from there until the last payment is posted in the log, until its row in the
    projection says so, and until those who tell people have decided whom. Each `name` is a
    backlog of its own.
    """
    clock, log, meter = rig.clock, rig.log, rig.place.meter
    rows_before = await rig.count(POSTED)
    start = await log.ends()
    with rig.place.held():
        await rig.publish(rig.people.payments(count, name=name))
        before = meter.read()
        began_s = clock.monotonic_s()
    await rig.until_ended(start, count // 2)
    middle = meter.read()
    await rig.until_ended(start, count)
    posted_s = clock.monotonic_s() - began_s
    await rig.until_count(POSTED, rows_before + count)
    projected_s = clock.monotonic_s() - began_s
    await rig.until_told()
    told_s = clock.monotonic_s() - began_s
    cpu_s = cpu_s_between(before, meter.read())
    group = f"backlog of {count:,} payments, inbox on"
    each_us = {part: spent_s / count * 1e6 for part, spent_s in cpu_s.items()}
    return Drained(
        [
            Figure(
                group=group,
                name="requested to posted and projected",
                value=count / projected_s,
                unit="payments/s",
                target=_TARGET_PER_S,
                more_is_better=True,
                shared=_SHARED,
            ),
            Figure(
                group=group,
                name="requested to posted",
                value=count / posted_s,
                unit="payments/s",
                shared=_SHARED,
            ),
            Figure(
                group=group,
                name="requested to posted, projected and told",
                value=count / told_s,
                unit="payments/s",
                shared=_SHARED,
            ),
            *(
                Figure(
                    group=CPU_GROUP,
                    name=part,
                    value=value,
                    unit="us",
                    shared=_SHARED,
                )
                for part, value in [*each_us.items(), ("all of them", sum(each_us.values()))]
            ),
        ],
        middle,
    )
