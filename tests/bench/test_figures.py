import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.figures import Figure, percentile
from bench.report import BEGIN, END, as_json, print_table, write_page
from tests.support.machine import MACHINE

FAST = Figure(
    group="drain",
    name="rate",
    value=6_000,
    unit="/s",
    target=5_000,
    more_is_better=True,
    shared="all",
)
SLOW = Figure(group="latency", name="p99", value=70, unit="ms", target=60, shared="all")
COST = Figure(group="latency", name="cost", value=12.34, unit="us", shared="all")


@given(values=st.lists(st.floats(0, 1e6), min_size=1), percent=st.floats(0, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)

    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100
    assert sum(value < found for value in values) <= len(values) * percent / 100


def test_a_target_is_a_floor_or_a_ceiling() -> None:
    assert (FAST.meets_target, SLOW.meets_target, COST.meets_target) == (True, False, None)


def test_json_holds_the_machine_and_every_figure() -> None:
    document = json.loads(as_json(MACHINE, [FAST, SLOW]))

    assert document["machine"]["cpu"] == "a processor"
    assert [each["meets_target"] for each in document["figures"]] == [True, False]


def test_the_table_shows_what_was_beside_each_group() -> None:
    page = StringIO()
    print_table(Console(width=100, file=page), [FAST, SLOW, COST])
    text = page.getvalue()

    assert "beside it: all" in text
    assert "6,000" in text
    assert "12.3" in text


def test_a_page_gets_the_figures_between_its_marks_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")

    write_page(page, MACHINE, [FAST, SLOW])
    write_page(page, MACHINE, [FAST, SLOW])
    text = page.read_text(encoding="utf-8")

    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("| p99 | 70.0 ms (missed) | <= 60 |") == 1


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing", encoding="utf-8")

    with pytest.raises(ValueError, match="marks"):
        write_page(page, MACHINE, [FAST])
    assert page.read_text(encoding="utf-8") == "nothing"
