"""Figures for people (a table), for programs (JSON), and for docs/performance.md (Markdown)."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.figures import Figure
from bench.machine import Machine

BEGIN: Final = "<!-- figures: written by `python -m bench --page`, do not edit -->"
END: Final = "<!-- end of figures -->"


def print_table(console: Console, figures: Sequence[Figure]) -> None:
    """One table, a section for each group."""
    table = Table("what", "value", "unit", "target")
    for group, members in _grouped(figures).items():
        table.add_section()
        table.add_row(f"[bold]{group}[/bold]\n[dim]beside it: {members[0].shared}[/dim]")
        for figure in members:
            colour = {True: "green", False: "red", None: "default"}[figure.meets_target]
            value = f"[{colour}]{_number(figure.value)}[/{colour}]"
            table.add_row(f"  {figure.name}", value, figure.unit, _target(figure))
    console.print(table)


def as_json(machine: Machine, figures: Sequence[Figure]) -> str:
    """Everything, for programs."""
    document = {
        "machine": machine.model_dump(mode="json"),
        "figures": [{**asdict(each), "meets_target": each.meets_target} for each in figures],
    }
    return json.dumps(document, indent=2)


def as_markdown(machine: Machine, figures: Sequence[Figure]) -> str:
    """A table for each group, under the machine's line."""
    return f"Measured {machine.line}.\n{figures_markdown(figures)}"


def figures_markdown(figures: Sequence[Figure]) -> str:
    """A table for each group."""
    lines: list[str] = []
    for group, members in _grouped(figures).items():
        shared = members[0].shared
        lines += ["", f"**{group}** (beside it: {shared})", ""]
        lines += ["| what | value | target |", "|---|---:|---:|"]
        for figure in members:
            value = f"{_number(figure.value)} {figure.unit}".strip()
            if figure.meets_target is False:
                value += " (missed)"
            lines.append(f"| {figure.name} | {value} | {_target(figure)} |")
    return "\n".join(lines)


def write_page(path: Path, machine: Machine, figures: Sequence[Figure]) -> None:
    """Put the figures between the page's two marks; the rest of it is a person's."""
    _write_between(path, BEGIN, END, as_markdown(machine, figures))


def write_block(path: Path, name: str, text: str) -> None:
    """Put a text between the page's marks of that name."""
    begin = f"<!-- {name}: written by `python -m bench draw`, do not edit -->"
    _write_between(path, begin, f"<!-- end of {name} -->", text)


def _write_between(path: Path, begin: str, end: str, between: str) -> None:
    text = path.read_text(encoding="utf-8")
    head, found_begin, rest = text.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path} has no place for this: it lacks the marks {begin} and {end}")
    path.write_text(f"{head}{begin}\n\n{between}\n\n{end}{tail}", encoding="utf-8")


def _grouped(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.group, []).append(figure)
    return groups


def _number(value: float | None) -> str:
    if value is None:
        return "not measured"
    if value == 0:
        return "0"
    if abs(value) < 10:
        return f"{value:,.2f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"{'>=' if figure.more_is_better else '<='} {figure.target:,g}"
