"""What is kept can be read again, and the pages are what is drawn from it."""

import json
import re
import shutil
from pathlib import Path

import pytest

from bench import results
from bench.draw import (
    DOCS,
    campaign_table,
    draw_all,
    growth_pictures,
    latency_picture,
    recovery_picture,
    scale_pictures,
)
from bench.figures import Figure
from tests.support.machine import MACHINE

FIGURE = Figure(group="drain", name="rate", value=6_000, unit="/s", target=5_000, shared="all")
CAMPAIGN = {
    "faults": 12,
    "recovery_s": {
        "KILL_STAGE": {"faults": 8, "flow": {"p50": 0.2, "p99": 1.0, "max": 1.5}, "calm": {}},
        "FLUSH_CACHE": {"faults": 4, "flow": {}, "calm": {}},
    },
    "sights": {"duplicate delivery ignored": 1_234},
}


def test_what_is_kept_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "DIRECTORY", tmp_path)
    results.save("growth", MACHINE, [FIGURE], rounds=[{"payments": 1}])
    document = results.load("growth", tmp_path)

    assert document is not None
    assert results.machine_of(document) == MACHINE
    assert results.figures_of(document) == [FIGURE]
    assert document["rounds"] == [{"payments": 1}]
    assert results.load("never", tmp_path) is None


def test_lines_of_progress_before_a_report_are_passed_over(tmp_path: Path) -> None:
    report = json.dumps({"faults": 3, "recovery_s": {"A": {}}}, indent=2)
    text = f'{{"progress": "one"}}\n{{"progress": "two"}}\n{report}\n'
    (tmp_path / "campaign.json").write_text(text, "utf-8")

    document = results.load("campaign", tmp_path)

    assert document is not None
    assert document["faults"] == 3


def test_a_campaign_shows_the_kinds_that_were_felt() -> None:
    svg = recovery_picture(CAMPAIGN)

    assert "kill stage (8)" in svg
    assert "flush cache" not in svg


def test_the_table_of_a_campaign_has_every_kind_and_what_was_seen() -> None:
    table = campaign_table(CAMPAIGN)

    assert "| kill -9 of a stage | 8 | 0.20 | 1.00 | 1.50 |  |  |" in table
    assert "| FLUSHALL | 4 |  |  |  |  |  |" in table
    assert "Seen: duplicate delivery ignored 1,234." in table


GROWTH = {
    "round_payments": 100_000,
    "rounds": [
        {
            "payments": 100_000 * number,
            "rate_per_s": 5_000.0,
            "cpu_us": {"worker-1": 150.0 + number, "postgres": 90.0, "valkey": 0.2},
            "resident_mb": {"worker-1": 150.0, "postgres": 100.0 + number, "valkey": 7.0},
        }
        for number in range(1, 21)
    ],
}
SCALE = {
    "machine": MACHINE.model_dump(mode="json"),
    "drains": [
        {"processes": 1, "rate_per_s": 4_000.0, "cpu_us": {"ledger_posting": 90.0, "kafka": 60.0}},
        {"processes": 4, "rate_per_s": 3_900.0, "cpu_us": {"ledger_posting": 95.0, "kafka": 70.0}},
    ],
}


def test_growth_shows_what_costs_and_what_is_held() -> None:
    pictures = growth_pictures(GROWTH)

    assert set(pictures) == {"growth-cpu.svg", "growth-memory.svg"}
    assert ">valkey<" not in pictures["growth-cpu.svg"]
    assert {">worker-1<", ">postgres<", ">all of them<", ">2M<"} <= words(
        pictures["growth-cpu.svg"]
    )
    assert ">valkey<" in pictures["growth-memory.svg"]


def test_scale_shows_rate_and_cost_apart() -> None:
    pictures = scale_pictures(SCALE)

    assert ">payments a second<" in pictures["scale-rate.svg"]
    assert {">ledger_posting<", ">kafka<", ">4<"} <= words(pictures["scale-cpu.svg"])


def test_latency_shows_only_what_was_measured() -> None:
    figures = [
        Figure(
            group=f"open loop, {rate} payments/s",
            name=f"202 received to payment.posted appended, p{percent}",
            value=rate / 10 + percent,
            unit="ms",
            shared="all",
        )
        for rate in (100, 500)
        for percent in (50, 99)
    ]
    svg = latency_picture(figures)

    assert {">p50<", ">p99<", ">p99, target<", ">1000<"} <= words(svg)
    assert "empty pipeline<" not in svg


def words(svg: str) -> set[str]:
    return {f">{word}<" for word in re.findall(r">([^<>]+)<", svg)}


def test_pages_and_pictures_are_those_of_the_kept_results(tmp_path: Path) -> None:
    """Whoever measures anew draws anew: `python -m bench draw`."""
    docs = tmp_path / "docs"
    shutil.copytree(DOCS, docs)
    drawn = draw_all(docs)

    pages = (docs / f"{name}.md" for name in ("performance", "scale", "proof", "replay"))
    for path in [*drawn, *pages]:
        committed = DOCS / path.relative_to(docs)
        assert path.read_text("utf-8") == committed.read_text("utf-8"), path.name
    assert {path.name for path in drawn} == {path.name for path in DOCS.glob("pictures/*")}
