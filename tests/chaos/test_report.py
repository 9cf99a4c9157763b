"""What a campaign says of itself, and when it says no."""

from collections import Counter
from typing import Any

import pytest

from titan.chaos.report import Hit, Report, spread
from titan.chaos.schedule import Fault, Kind
from titan.chaos.sightings import ESSENTIAL, Sight


def hit(kind: Kind, flow_s: float | None = 1.0, missed: str | None = None) -> Hit:
    return Hit(Fault(kind, "*", 1.0, 0), missed, 1, flow_s, flow_s)


def full(**changed: Any) -> Report:
    """A run that has met everything."""
    return Report(
        **{
            "seed": 1,
            "faults_wanted": len(Kind),
            "payments_wanted": 100,
            "payments": 100,
            "hits": [hit(kind) for kind in Kind],
            "sights": Counter(dict.fromkeys(Sight, 1)),
            **changed,
        }
    )


def failures(report: Report) -> list[str]:
    report.judge()
    return report.failures


def test_a_run_that_met_everything_is_a_yes() -> None:
    report = full()
    assert failures(report) == []
    assert report.as_json()["verdict"] == "kept"


@pytest.mark.parametrize("sight", ESSENTIAL)
def test_what_was_never_seen_has_not_been_shown(sight: Sight) -> None:
    sights = Counter(dict.fromkeys(set(Sight) - {sight}, 1))
    hits = [hit(kind) for kind in Kind] * 3
    report = full(faults_wanted=len(hits), hits=hits, sights=sights)
    assert failures(report) == [f"never seen: {sight}"]
    # A short run meets that one or not, by chance.
    short = failures(full(sights=sights))
    assert short == ([] if sight is Sight.UNKNOWN else [f"never seen: {sight}"])
    assert report.as_json()["verdict"] == "broken"


def test_a_kind_that_only_missed_never_came_about() -> None:
    hits = [hit(kind) for kind in Kind if kind is not Kind.ZOMBIE]
    assert failures(full(hits=[*hits, hit(Kind.ZOMBIE, missed="nobody was there")])) == [
        f"never came about: {Kind.ZOMBIE}"
    ]


def test_a_kind_that_a_place_cannot_have_is_told_and_held_against_nobody() -> None:
    hits = [hit(kind) for kind in Kind if kind is not Kind.FULL_DISK]
    report = full(hits=hits, faults_wanted=len(hits), not_run={"FULL_DISK": "no root"})
    assert failures(report) == []
    assert [str(Kind.FULL_DISK), "not run"] in [row[:2] for row in report.rows()]


def test_fewer_faults_or_payments_than_asked_for_are_a_no() -> None:
    assert len(failures(full(payments=99))) == 1
    assert len(failures(full(hits=[hit(kind) for kind in Kind][:-1]))) == 2


def test_a_small_run_need_not_meet_everything() -> None:
    report = full(faults_wanted=1, hits=[hit(Kind.FLUSH_CACHE)], sights=Counter())
    assert failures(report) == []


def test_the_table_counts_what_struck_and_says_how_long_it_was_felt() -> None:
    kind = Kind.KILL_KAFKA
    hits = [hit(kind, float(number)) for number in range(1, 101)]
    report = full(hits=[*hits, hit(kind, missed="gone")], faults_wanted=101)
    row, total = report.rows()
    assert row == [str(kind), "100", "1", "50.00", "99.00", "100.00", "50.00", "100.00"]
    assert total[1:3] == ["100", "1"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([None], {}),
        ([2.0], {"p50": 2.0, "p99": 2.0, "max": 2.0}),
        ([1.0, None, 3.0], {"p50": 1.0, "p99": 3.0, "max": 3.0}),
    ],
)
def test_percentiles_are_values_that_were_measured(
    values: list[float | None], expected: dict[str, float]
) -> None:
    assert spread(values) == expected
