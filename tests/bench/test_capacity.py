from dataclasses import replace

import pytest

from bench.capacity import UTILISATION, Costs, as_markdown, costs_markdown, plan
from bench.flow import STAGES

COSTS = Costs(
    stage_us=dict.fromkeys(STAGES, 60.0),
    edge_us=150.0,
    postgres_us=90.0,
    kafka_us=50.0,
    log_bytes=1_500.0,
    database_bytes=4_000.0,
    wal_bytes=3_000.0,
    hot_rate_per_s=4_000.0,
)


def test_a_rate_needs_the_cores_that_its_microseconds_come_to() -> None:
    needed = plan(COSTS, 10_000)

    assert needed.database_cores == pytest.approx(0.9 / UTILISATION)
    assert needed.processes == dict.fromkeys(STAGES, 1)
    assert needed.wal_bytes == 30e6


def test_ten_times_the_rate_needs_ten_times_the_cores_and_more_processes() -> None:
    one, ten = plan(COSTS, 10_000), plan(COSTS, 100_000)

    assert ten.database_cores == pytest.approx(10 * one.database_cores)
    assert ten.processes == dict.fromkeys(STAGES, 10)


@pytest.mark.parametrize("rate", [1, 1_000, 10_000, 100_000, 1_000_000])
def test_every_process_has_partitions_and_some_to_spare(rate: int) -> None:
    needed = plan(COSTS, rate)

    assert needed.partitions >= 12
    assert needed.partitions % 12 == 0
    assert needed.partitions >= max(needed.processes.values())


def test_a_dearer_stage_needs_more_processes_than_the_others() -> None:
    dear = replace(COSTS, stage_us={**COSTS.stage_us, "ledger_posting": 300.0})

    assert plan(dear, 10_000).processes["ledger_posting"] == 5


def test_the_table_has_a_column_for_each_rate_and_says_its_units() -> None:
    table = as_markdown(COSTS)

    assert table.startswith(
        "| needed | 1,000 payments/s | 10,000 payments/s | 100,000 payments/s |"
    )
    assert {line.count("|") for line in table.splitlines()} == {5}
    assert "| WAL of the database | 3.0 MB/s | 30.0 MB/s | 300.0 MB/s |" in table
    assert "| share that one account may take | 100% | 40% | 4% |" in table


def test_what_the_plan_is_made_from_is_shown() -> None:
    assert "| payments edge, CPU | 150 us |" in costs_markdown(COSTS)
