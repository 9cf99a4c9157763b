"""The command: `python -m bench [--quick] [--json FILE] [--page FILE] [--only PART]...`.

Its further commands are growth, scale, profile, check and draw: see commands.py.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
import uvloop
from rich.console import Console

from bench.accept import measure_accept
from bench.bulk import measure_bulk
from bench.commands import add_to
from bench.compare import compared
from bench.drain import measure_drain
from bench.figures import Figure
from bench.flood import measure_flood
from bench.floor import measure_floor_drain, measure_floor_latency, open_floor, variant
from bench.hot import measure_hot
from bench.latency import TARGETS_MS, measure_latency
from bench.ledger import measure_ledger
from bench.machine import this_machine
from bench.meter import Reading
from bench.place import open_place
from bench.report import as_json, print_table, write_page
from bench.resolve import measure_resolve
from bench.rig import Rig, open_rig
from bench.side_by_side import KEY_VARIABLE, URL_VARIABLE, measure_side_by_side
from bench.vault import measure_vault
from bench.webhooks import measure_webhooks
from runtime.clock import SystemClock
from titan.terminal import command_group

app: Final[typer.Typer] = command_group("Measure a Titan of its own on this machine.")


class Part(StrEnum):
    """What can be measured."""

    DRAIN = "drain"
    LATENCY = "latency"
    FLOOR = "floor"
    RESOLVE = "resolve"
    ACCEPT = "accept"
    BULK = "bulk"
    HOT = "hot"
    FLOOD = "flood"
    SIDE_BY_SIDE = "side-by-side"
    LEDGER = "ledger"
    VAULT = "vault"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    people: int
    warm_up: int
    backlog: int
    latency_s: float
    resolve_s: float
    accept_s: float
    hot: int
    flood: int
    side_by_side: int
    ledger_share: float
    webhooks: int
    webhooks_s: float
    webhooks_waiting: int


FULL: Final = Sizes(
    people=2_000,
    warm_up=40_000,
    backlog=100_000,
    latency_s=15.0,
    resolve_s=10.0,
    accept_s=6.0,
    hot=50_000,
    flood=100_000,
    side_by_side=5_000,
    ledger_share=0.5,
    webhooks=20_000,
    webhooks_s=10.0,
    webhooks_waiting=100_000,
)
QUICK: Final = Sizes(
    people=200,
    warm_up=2_000,
    backlog=10_000,
    latency_s=4.0,
    resolve_s=3.0,
    accept_s=2.0,
    hot=5_000,
    flood=20_000,
    side_by_side=1_000,
    ledger_share=0.1,
    webhooks=4_000,
    webhooks_s=4.0,
    webhooks_waiting=10_000,
)


class Blnk(NamedTuple):
    """Where a Blnk server is to be measured beside, if anywhere."""

    url: str | None
    key: str | None


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    *,
    quick: Annotated[bool, typer.Option(help="Small sizes: a minute instead of several.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file as JSON too.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write the figures between this page's marks too.")
    ] = None,
    only: Annotated[list[Part] | None, typer.Option(help="Only these parts.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes for the stages.")] = 2,
) -> None:
    """Start everything in a temporary directory, measure it part by part, and print a table."""
    if context.invoked_subcommand is not None:
        return
    console = Console(stderr=True)
    machine = this_machine(SystemClock().now())
    console.print(machine.line)
    sizes = QUICK if quick else FULL
    # Read here: nothing of the shell's own settings gets into the place.
    blnk = Blnk(os.environ.get(URL_VARIABLE), os.environ.get(KEY_VARIABLE))
    parts = only or list(Part)
    # First, while nothing of ours runs; and it needs no place.
    figures = measure_vault() if Part.VAULT in parts else []
    if set(parts) - {Part.VAULT}:
        figures += uvloop.run(_measure(sizes, parts, processes, console, blnk))
    figures += compared(figures, list(TARGETS_MS))
    print_table(Console(), figures)
    if json_file is not None:
        json_file.write_text(as_json(machine, figures), encoding="utf-8")
    if page is not None:
        write_page(page, machine, figures)


async def _measure(
    sizes: Sizes, parts: Sequence[Part], processes: int, console: Console, blnk: Blnk
) -> list[Figure]:
    """The parts in an order in which none leaves work behind for the next."""
    figures: list[Figure] = []
    async with open_place(processes=processes, say=console.print) as place:
        for name, stages in place.stages.items():
            console.print(f"{name} runs {', '.join(stages)}")
        console.print(f"Opening and funding {sizes.people:,} accounts ...")
        async with open_rig(place, people=sizes.people) as rig:
            # A broker's first minute goes for a third into its own compiler.
            console.print(f"Warming up with {sizes.warm_up:,} payments ...")
            await measure_drain(rig, sizes.warm_up, name="warm-up")
            readings: dict[str, Mapping[str, Reading]] = {"start": place.meter.read()}
            if Part.DRAIN in parts:
                console.print(f"Draining a backlog of {sizes.backlog:,} payments ...")
                drained = await measure_drain(rig, sizes.backlog)
                figures += drained.figures
                readings["half the backlog drained"] = drained.middle
            figures += await _measure_rest(rig, sizes, parts, console, blnk)
            if Part.FLOOD in parts:
                console.print("A flood of wrong passwords ...")
                figures += await measure_flood(rig, sizes.flood)
            if Part.WEBHOOKS in parts:
                console.print(f"{sizes.webhooks:,} webhooks, again and again ...")
                figures += await measure_webhooks(
                    rig,
                    backlog=sizes.webhooks,
                    seconds=sizes.webhooks_s,
                    waiting=sizes.webhooks_waiting,
                )
            readings["end"] = place.meter.read()
    return [*figures, *_memory(readings)]


async def _measure_rest(
    rig: Rig, sizes: Sizes, parts: Sequence[Part], console: Console, blnk: Blnk
) -> list[Figure]:
    figures: list[Figure] = []
    if Part.LATENCY in parts:
        for rate_per_s in TARGETS_MS:
            console.print(f"{rate_per_s} payments/s for {sizes.latency_s:.0f} s ...")
            figures += await measure_latency(rig, rate_per_s, sizes.latency_s)
    if Part.FLOOR in parts:
        figures += await _measure_floor(rig, sizes, console)
    if Part.RESOLVE in parts:
        console.print("Resolving handles ...")
        figures += await measure_resolve(rig, sizes.resolve_s)
    if Part.ACCEPT in parts:
        console.print("Accepting payments ...")
        figures += await measure_accept(rig, sizes.accept_s)
    if Part.BULK in parts:
        console.print("Accepting payments in bulk ...")
        figures += await measure_bulk(rig, sizes.accept_s)
    if Part.HOT in parts:
        console.print(f"{sizes.hot:,} payments onto one account ...")
        figures += await measure_hot(rig, sizes.hot)
    if Part.SIDE_BY_SIDE in parts:
        console.print("The same payments to Titan and to Blnk ...")
        figures += await measure_side_by_side(rig, sizes.side_by_side, url=blnk.url, key=blnk.key)
    if Part.LEDGER in parts:
        console.print("Posting to the ledger alone ...")
        figures += await measure_ledger(rig.database, clock=rig.clock, share=sizes.ledger_share)
    return figures


async def _measure_floor(rig: Rig, sizes: Sizes, console: Console) -> list[Figure]:
    figures: list[Figure] = []
    for commits in (True, False):
        console.print(f"The {variant(commits=commits)} ...")
        async with open_floor(rig, commits=commits) as floor:
            figures += await measure_floor_drain(floor, sizes.backlog)
            for rate_per_s in TARGETS_MS:
                figures += await measure_floor_latency(floor, rate_per_s, sizes.latency_s / 2)
    return figures


def _memory(readings: Mapping[str, Mapping[str, Reading]]) -> list[Figure]:
    return [
        Figure(
            group="resident memory",
            name=f"{part}, {when}",
            value=reading[part].resident_bytes / 1e6,
            unit="MB",
            shared="everything",
        )
        for part in readings["start"]
        for when, reading in readings.items()
    ]


add_to(app)

if __name__ == "__main__":
    app()
