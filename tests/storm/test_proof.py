"""`titan prove` beside a pipeline under load whose stages are killed: never a false alarm.

The rule that makes it hold is in proof/scope.py; that it misses no fault is shown in tests/proof/.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.storm.checking import check
from tests.storm.killing import kill_child
from titan.chaos.client import Client
from titan.chaos.load import Load, Mixture
from titan.chaos.people import CROWD
from titan.chaos.target import Target

pytestmark = [
    pytest.mark.storm,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="session"),
]

BURST = 300
ROUNDS = 2
PROOFS = 3
MIXTURE = Mixture(described=0.2, repeated=0.1, rivalled=0.05, at_once=0.05, newcomer=0.05)


async def prove(storm: Target, *arguments: str) -> dict[str, Any]:
    """The report of a proof by a process of its own; it must hold."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titan", "prove", "--json", *arguments),
        env={**os.environ, "TITAN_DATA_DIRECTORY": str(storm.titan.directory)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    said, errors = await process.communicate()
    assert process.returncode == 0, (said.decode(), errors.decode())
    report: dict[str, Any] = json.loads(said)
    return report


async def prove_while(storm: Target, kills: "asyncio.Task[None]") -> list[dict[str, Any]]:
    """Proof after proof until the killing is over, each going on from the one before or anew."""
    reports: list[dict[str, Any]] = []
    while not kills.done() or len(reports) < PROOFS:
        since = ["--since", reports[-1]["report"]] if len(reports) % 2 else []
        reports.append(await prove(storm, *since))
    await kills
    return reports


async def kill_them(storm: Target, client: Client, load: Load) -> None:
    for _ in range(ROUNDS):
        for worker in storm.workers:
            await client.pay_many(load.intents(BURST))
            await asyncio.sleep(client.history.random.random() * 0.3)
            await kill_child(storm, worker)


async def test_the_books_are_proven_while_payments_flow_and_stages_die(storm: Target) -> None:
    load = Load(storm.client, CROWD, rate_per_s=60.0, mixture=MIXTURE)
    async with load.flowing():
        kills = asyncio.create_task(kill_them(storm, storm.client, load))
        reports = await prove_while(storm, kills)
    await check(storm)
    last = await prove(storm)

    under_way = sum(report["notes"].get("payments under way", 0) for report in reports)
    on_their_way = sum(report["notes"].get("outcomes on their way", 0) for report in reports)
    storm.tell(
        f" {len(reports)} proofs held beside {under_way} payments under way and"
        f" {on_their_way} outcomes on their way"
    )
    assert under_way > 0, "nothing was under way: the load was too little"
    assert last["notes"].get("payments under way", 0) == 0
