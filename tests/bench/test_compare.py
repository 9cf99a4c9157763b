import pytest

from bench.compare import compared
from bench.drain import CPU_GROUP
from bench.figures import Figure
from bench.floor import variant
from bench.flow import ALL
from bench.place import GENERATOR

FLOOR = variant(commits=True)


def figure(group: str, name: str, value: float | None) -> Figure:
    return Figure(group=group, name=name, value=value, unit="", shared="")


BOTH = [
    figure("backlog of 100 payments, inbox on", "requested to posted", 4_000),
    figure(CPU_GROUP, "worker-1", 150),
    figure(CPU_GROUP, "kafka", 50),
    figure(CPU_GROUP, GENERATOR, 1_000),
    figure(CPU_GROUP, ALL, 1_200),
    figure("open loop, 100 payments/s", "202 received to payment.posted appended, p50", 12),
    figure(f"{FLOOR}: backlog of 100 records", f"CPU, {ALL}", 100),
    figure(f"{FLOOR}: backlog of 100 records", "first topic to last topic", 10_000),
    figure(f"{FLOOR}: open loop", "100 payments/s, acknowledged to last topic, p50", 4),
]


def test_the_pipeline_is_held_against_the_empty_one_of_the_same_run() -> None:
    found = {each.name: each.value for each in compared(BOTH, [100, 500])}

    assert found == {
        f"CPU of one payment, to {FLOOR}": pytest.approx(2.0),
        f"time of a backlog, to {FLOOR}": pytest.approx(2.5),
        f"p50 at 100 payments/s, to {FLOOR}": pytest.approx(3.0),
    }


def test_what_was_not_measured_of_both_has_no_ratio() -> None:
    assert compared(BOTH[:6], [100]) == []
    assert compared(BOTH[6:], [100]) == []
