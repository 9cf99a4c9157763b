"""The commands beside `python -m bench` itself: each on a Titan of its own, results kept.

growth, scale, prove and profile write bench/results/ and draw; check holds ratios against what is
kept there.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Final, TypeVar

import typer
import uvloop
from rich.console import Console

from bench.costs import measure_costs
from bench.draw import draw_all
from bench.figures import Figure
from bench.growth import ROUND, growth_figures, measure_growth
from bench.guard import TOLERANCE, Verdict, measure_ratios, verdicts
from bench.machine import Machine, this_machine
from bench.place import open_place
from bench.profile import as_markdown as profile_markdown
from bench.profile import measure_profile
from bench.prove import measure_prove
from bench.report import print_table
from bench.results import load, save
from bench.rig import Rig, open_rig
from bench.scale import PLACE_PROCESSES, measure_scale, scale_figures
from runtime.clock import SystemClock
from titan.terminal import CHECK_FAILED, say

T = TypeVar("T")

_PEOPLE: Final = 2_000
_PROCESSES: Final = 2
_STDERR: Final = Console(stderr=True)

KeepOption = Annotated[bool, typer.Option(help="Keep the results, and draw pictures and pages.")]


class When(StrEnum):
    """Which of two profiles this is."""

    BEFORE = "before"
    AFTER = "after"


def growth(
    *,
    payments: Annotated[int, typer.Option(min=1, help="So many in one run.")] = 2_000_000,
    round_payments: Annotated[
        int, typer.Option("--round", min=1, help="Payments between two readings.")
    ] = ROUND,
    keep: KeepOption = True,
) -> None:
    """What a payment costs while tables, log and processes grow; exit 1 if it grows beyond 10 %."""
    machine = _machine()
    found = _measure(
        lambda rig: measure_growth(rig, payments, round_payments=round_payments, say=_STDERR.print)
    )
    figures = growth_figures(found)
    print_table(Console(), figures)
    if keep:
        rounds = [asdict(each) for each in found.rounds]
        save("growth", machine, figures, rounds=rounds, round_payments=round_payments)
        _draw()
    _fail_unless_met(figures)


def scale(
    *,
    payments: Annotated[int, typer.Option(min=1, help="Payments of each backlog.")] = 40_000,
    keep: KeepOption = True,
) -> None:
    """1, 2 and 4 processes of each stage, joining, leaving and dying under load."""
    machine = _machine()

    async def both(rig: Rig) -> tuple[Sequence[Figure], dict[str, object]]:
        costs = await measure_costs(rig, payments)
        found = await measure_scale(rig, payments, say=_STDERR.print)
        drains = [
            {"processes": count, "rate_per_s": drain.rate_per_s, "cpu_us": dict(drain.cpu_us)}
            for count, drain in found.drains.items()
        ]
        return scale_figures(found), {"drains": drains, "costs": asdict(costs)}

    figures, more = _measure(both, processes=PLACE_PROCESSES)
    print_table(Console(), figures)
    if keep:
        save("scale", machine, figures, **more)
        _draw()
    _fail_unless_met(figures)


def prove(
    *,
    payments: Annotated[int, typer.Option(min=1, help="So many to prove.")] = 1_000_000,
    keep: KeepOption = True,
) -> None:
    """What a proof takes, and what payments feel of it; 1,000,000 take a quarter of an hour."""
    machine = _machine()
    figures = _measure(lambda rig: measure_prove(rig, payments, say=_STDERR.print))
    print_table(Console(), figures)
    if keep:
        save("prove", machine, figures)
        _draw()
    _fail_unless_met(figures)


def profile(
    *,
    payments: Annotated[int, typer.Option(min=1, help="Payments of the backlog.")] = 60_000,
    when: Annotated[When, typer.Option(help="Which of the page's two.")] = When.AFTER,
    keep: KeepOption = True,
) -> None:
    """Where the CPU of one payment goes: by stage and function, with database and broker beside."""
    machine = _machine()
    found = _measure(lambda rig: measure_profile(rig, payments))
    say("\n".join(profile_markdown(found)))
    if keep:
        save(f"profile-{when}", machine, [], profile=found.as_json())
        _draw()


def check(
    *,
    payments: Annotated[int, typer.Option(min=1, help="Payments of each backlog.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="The median of so many counts.")] = 3,
    write: Annotated[
        bool, typer.Option("--write", help="Commit to what is found, instead of checking.")
    ] = False,
) -> None:
    """Hold two ratios that are the same on any machine against the committed ones."""
    machine = _machine()
    found = _measure(lambda rig: measure_ratios(rig, payments, rounds=rounds, say=_STDERR.print))
    if write:
        save("ratios", machine, [], ratios=found)
    committed = load("ratios")
    results = verdicts(found, {} if committed is None else committed["ratios"])
    for each in results:
        say(_line(each))
    _fail_unless(all(each.holds for each in results))


def draw() -> None:
    """Draw pictures and pages from the kept results, without measuring anything."""
    _draw()


def add_to(app: typer.Typer) -> None:
    """Make them commands of the app."""
    for command in (growth, scale, prove, profile, check, draw):
        app.command()(command)


def _line(verdict: Verdict) -> str:
    if verdict.committed is None:
        return f"{verdict.name}: {verdict.found:.2f}, and nothing is committed: see --write"
    limit = verdict.committed * TOLERANCE
    word = "ok" if verdict.holds else "TOO MUCH"
    if verdict.is_stale:
        word = "so much better that --write is due"
    return f"{verdict.name}: {verdict.found:.2f}, at most {limit:.2f}: {word}"


def _measure(measure: Callable[[Rig], Awaitable[T]], *, processes: int = _PROCESSES) -> T:
    """Run on a place of its own, with its people."""

    async def placed() -> T:
        async with (
            open_place(processes=processes, say=_STDERR.print) as place,
            open_rig(place, people=_PEOPLE) as rig,
        ):
            return await measure(rig)

    return uvloop.run(placed())


def _machine() -> Machine:
    machine = this_machine(SystemClock().now())
    _STDERR.print(machine.line)
    return machine


def _draw() -> None:
    for path in draw_all():
        _STDERR.print(f"drawn: {path.name}")


def _fail_unless_met(figures: Sequence[Figure]) -> None:
    _fail_unless(all(figure.meets_target is not False for figure in figures))


def _fail_unless(good: bool) -> None:  # noqa: FBT001 - its name reads with it
    if not good:
        raise typer.Exit(CHECK_FAILED)
