"""The ledger alone, by batch size: `python -m bench.ledger [--quick] [--json FILE]`.

One connection posts batch after batch, each a transaction of its own as in the stage, but with
nothing else in it. Transfers between random wallets, all of them posted. Starts a PostgreSQL of
its own.
"""

import asyncio
import gc
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer
import uvloop
from rich.console import Console

from bench.figures import Figure
from bench.machine import this_machine
from bench.report import as_json, print_table
from domain.account import NO_MINIMUM_MINOR, AccountOpening
from domain.posting import Entry, Posted, Posting
from ledger_adapter.postgres import PostgresLedger
from runtime.clock import Clock, SystemClock
from runtime.database import Database
from runtime.unit import PostgresUnits
from titan.migrate import migrate
from titan.servers.postgres import Postgres

ACCOUNTS: Final = 1_000
BATCHES: Final = {1: 1_000, 10: 600, 100: 300, 500: 200, 1_000: 100}
"""Size of a batch, and how many of them are measured."""

_TARGETS_PER_S: Final = {500: 35_000}
_WARM_UP: Final = 20
_FUNDS_MINOR: Final = 10**12
_SHARED: Final = "PostgreSQL; this process decides and posts"

app: Final = typer.Typer(add_completion=False)


async def measure_ledger(database: Database, *, clock: Clock, share: float = 1.0) -> list[Figure]:
    """Postings a second by batch size; `share` of the full number of batches is measured."""
    ledger, units = PostgresLedger(now=clock.now), PostgresUnits(database)
    wallets = await _open_wallets(ledger, units, clock)
    chance = random.Random(1)
    figures: list[Figure] = []
    for size, count in BATCHES.items():
        spent_s = 0.0
        rounds = max(1, round(count * share))
        for number in range(_WARM_UP + rounds):
            batch = [_transfer(chance.sample(wallets, k=2), clock) for _ in range(size)]
            gc.collect(0)
            began_s = clock.monotonic_s()
            async with units.begin() as unit:
                results = await ledger.post(batch, unit=unit)
            if number >= _WARM_UP:
                spent_s += clock.monotonic_s() - began_s
            if not all(isinstance(result, Posted) for result in results):
                raise RuntimeError("the ledger refused a posting: this measures something else")
        figures.append(
            Figure(
                group="ledger alone",
                name=f"batches of {size:,}",
                value=rounds * size / spent_s,
                unit="postings/s",
                target=_TARGETS_PER_S.get(size),
                more_is_better=True,
                shared=_SHARED,
            )
        )
    return figures


async def _open_wallets(
    ledger: PostgresLedger, units: PostgresUnits, clock: Clock
) -> Sequence[UUID]:
    system, *wallets = [clock.random_id() for _ in range(ACCOUNTS + 1)]
    async with units.begin() as unit:
        await ledger.open(
            [
                AccountOpening(system, "USD", NO_MINIMUM_MINOR),
                *(AccountOpening(wallet, "USD") for wallet in wallets),
            ],
            unit=unit,
        )
        funding = [_transfer([system, wallet], clock, _FUNDS_MINOR) for wallet in wallets]
        await ledger.post(funding, unit=unit)
    return wallets


def _transfer(parties: Sequence[UUID], clock: Clock, amount_minor: int = 100) -> Posting:
    payer, payee = parties
    entries = (Entry(payer, -amount_minor), Entry(payee, amount_minor))
    return Posting(clock.random_id(), "USD", entries)


@app.command()
def ledger_alone(
    *,
    quick: Annotated[bool, typer.Option(help="A tenth of the batches.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file as JSON too.")
    ] = None,
) -> None:
    """Measure the ledger on a PostgreSQL of its own, and print a table."""
    machine = this_machine(SystemClock().now())
    Console(stderr=True).print(machine.line)
    figures = uvloop.run(_measure(share=0.1 if quick else 1.0))
    print_table(Console(), figures)
    if json_file is not None:
        json_file.write_text(as_json(machine, figures), encoding="utf-8")


async def _measure(*, share: float) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="titan-bench-") as name:
        postgres = Postgres(Path(name) / "postgres")
        await postgres.start()
        try:
            await asyncio.to_thread(migrate, postgres.url)
            database = await Database.connect(postgres.url, name="bench-ledger", size=1)
            try:
                return await measure_ledger(database, clock=SystemClock(), share=share)
            finally:
                await database.close()
        finally:
            await postgres.stop()


if __name__ == "__main__":
    app()
