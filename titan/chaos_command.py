"""`titan chaos`: break a Titan of its own on purpose, and show that its promises hold."""

import asyncio
import logging
from typing import Annotated

import typer

from titan.chaos.campaign import Campaign, Plan
from titan.chaos.report import COLUMNS, Report, spent
from titan.chaos.schedule import Kind
from titan.chaos.sightings import Sight
from titan.terminal import CHECK_FAILED, JsonOption, say, say_json, say_json_line, say_table

PaymentsOption = Annotated[int, typer.Option("--payments", min=1, help="At least so many.")]
FaultsOption = Annotated[int, typer.Option("--faults", min=1, help="So many faults.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="The same seed, the same faults.")]
MinutesOption = Annotated[
    float | None,
    typer.Option("--minutes", min=0.1, help="Spread the faults over so long; default: no pause."),
]


def chaos(
    *,
    payments: PaymentsOption = 5_000,
    faults: FaultsOption = 40,
    seed: SeedOption = 1,
    minutes: MinutesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay through servers of its own while everything dies and comes back; then check all of it.

    Exit 0 if every promise was kept; 1 if not, and then everything is kept in its directory.
    """
    # Of each lost connection its client library tells; here they are lost by the thousand.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    def tell(line: str) -> None:
        if as_json:
            say_json_line({"progress": line})
        else:
            say(line)

    plan = Plan(payments=payments, faults=faults, seed=seed, minutes=minutes)
    campaign = Campaign(plan, tell=tell)
    tell(f"Campaign of seed {seed} in {campaign.directory}")
    again = f"titan chaos --payments {payments} --faults {faults} --seed {seed}"
    again += "" if minutes is None else f" --minutes {minutes:g}"
    kept = f"Everything is kept in {campaign.directory}. Again: {again}"
    try:
        report = asyncio.run(campaign.run())
    except BaseException:
        tell(kept)
        raise
    if as_json:
        say_json(report.as_json())
    else:
        _say_report(report)
    if report.failures:
        tell(kept)
        raise typer.Exit(CHECK_FAILED)


def _say_report(report: Report) -> None:
    say("")
    say_table(COLUMNS, report.rows())
    for name, why in report.not_run.items():
        say(f"Not run: {Kind[name]}: {why}")
    say("")
    say_table(["seen", "times"], [[sight, str(report.sights[sight])] for sight in Sight])
    ended = ", ".join(f"{count} {how}" for how, count in report.ended.items())
    say(
        f"\n{report.payments} payments: {ended}; {report.resolved_unknowns} were in doubt for a "
        f"while; the slowest ended after {report.slowest_s:.1f} s"
    )
    say(f"{report.told} deliveries of webhooks, and {report.noticed} notifications of them")
    say(
        f"Checked in {spent(report.check_s)} with {report.check_memory_mb} MB; all of it took "
        f"{spent(report.took_s)}"
    )
    for failure in report.failures:
        say(f"FAILED: {failure}")
    if not report.failures:
        kinds = len({hit.fault.kind for hit in report.struck})
        say(
            f"Kept: 0 of {report.payments} payments lost, doubled or stuck under "
            f"{len(report.struck)} faults of {kinds} kinds; "
            f"{report.accepted_meanwhile} of them were accepted between the faults"
        )
