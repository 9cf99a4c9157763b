import pytest

from bench.guard import TO_EMPTY, TOLERANCE, calibration_us, verdicts


@pytest.mark.parametrize(
    ("found", "holds", "is_stale"),
    [(2.0, True, False), (2.49, True, False), (2.51, False, False), (1.5, True, True)],
)
def test_a_ratio_may_be_a_quarter_above_the_committed_one(
    *, found: float, holds: bool, is_stale: bool
) -> None:
    [verdict] = verdicts({TO_EMPTY: found}, {TO_EMPTY: 2.0})

    assert TOLERANCE == 1.25
    assert (verdict.holds, verdict.is_stale) == (holds, is_stale)


def test_without_a_committed_ratio_nothing_holds() -> None:
    [verdict] = verdicts({TO_EMPTY: 99.0}, {})

    assert not verdict.holds
    assert not verdict.is_stale


def test_the_calibration_costs_something() -> None:
    assert calibration_us() > 0
