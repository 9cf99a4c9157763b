"""Everything that a campaign needs, up and running: Titan, its links, its client, its watcher."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from runtime.clock import SystemClock
from runtime.crash_points import ORDERED, REACHED
from runtime.settings import Profile, Settings
from runtime.topics import topic_map
from titan.chaos.client import Client
from titan.chaos.history import History
from titan.chaos.payer import ORDER, Order
from titan.chaos.receiver import ADDRESS
from titan.chaos.scene import Payer, Receiver, Scene
from titan.chaos.small_disk import SmallDisk
from titan.chaos.switchboard import Switchboard
from titan.chaos.target import HEARTBEAT_MS, RESTART_PAUSE_S_MAX, SESSION_MS, Target, running
from titan.chaos.waiting import until
from titan.chaos.watcher import Watcher
from titan.edge import EDGE_PROCESSES
from titan.local_titan import LocalTitan
from titan.packing import pack, stages_of
from titan.programs import pool_names

CRASHES: Final = "crashes"

_DOORS: Final = ("payments", "handles")
"""The edges that the client calls."""

_READY_S_MAX: Final = 90.0
_TEND_S: Final = 0.1

Tell = Callable[[str], None]


def settings_for(directory: Path) -> Settings:
    """Of a Titan whose processes may be told to die, and that is quick to see who is gone."""
    for name in (ORDERED, REACHED):
        (directory / CRASHES / name).mkdir(parents=True)
    return Settings(
        data_directory=directory,
        handles_port=0,
        payments_port=0,
        auth_port=0,
        users_port=0,
        webhooks_port=0,
        notifications_port=0,
        feed_port=0,
        inbound_port=0,
        profile=Profile.TEST,
        crash_directory=directory / CRASHES,
        consumer_session_timeout_ms=SESSION_MS,
        consumer_heartbeat_interval_ms=HEARTBEAT_MS,
    )


@asynccontextmanager
async def opened_target(directory: Path, *, said: list[str], tell: Tell) -> AsyncIterator[Target]:
    """A Titan with a process for each stage, and links of their own between them and the servers.

    `tell` gets a line for each step of the start, `said` what the supervisor tells.
    """
    settings = settings_for(directory)
    stages = stages_of(topic_map())
    workers = [each.name for each in pack(stages, len(stages))]
    board = Switchboard([*EDGE_PROCESSES, *workers, *pool_names(settings)], _DOORS)
    titan = LocalTitan(
        settings,
        processes=len(stages),
        clock=SystemClock(),
        say=said.append,
        progress=tell,
        wiring=board,
        restart_pause_s_max=RESTART_PAUSE_S_MAX,
    )
    await asyncio.gather(*(link.listen() for link in board))
    try:
        async with running(titan):
            # For questions about health; those who pay have histories of their own.
            client = Client(
                payments_url=titan.payments_url,
                handles_url=titan.handles_url,
                history=History(seed=0),
            )
            try:
                yield Target(titan, settings, client, tell, wiring=board, said=said)
            finally:
                client.http.close()
    finally:
        await asyncio.gather(*(link.close() for link in board))


@asynccontextmanager
async def opened_scene(
    target: Target, *, disk: SmallDisk | None, seed: int, payments: int, rate_per_s: float
) -> AsyncIterator[Scene]:
    """The scene around a target: payments flow once it is open, and somebody watches."""
    titan, directory, board = target.titan, target.titan.directory, target.wiring
    assert isinstance(board, Switchboard)
    bootstrap = titan.addresses.kafka_bootstrap
    if disk is not None:
        assert titan.servers.postgres is not None
        await disk.take_in_ledger(titan.servers.postgres)
    order = Order(
        seed=seed,
        payments=payments,
        rate_per_s=rate_per_s,
        payments_url=board.door("payments", titan.payments_url),
        handles_url=board.door("handles", titan.handles_url),
        kafka_bootstrap=bootstrap,
    )
    (directory / ORDER).write_text(order.model_dump_json(), encoding="utf-8")
    (directory / ADDRESS).write_text(json.dumps(titan.webhooks_url), encoding="utf-8")
    payer = Payer(directory, say=target.said.append)
    receiver = Receiver(directory, say=target.said.append)
    watcher = Watcher(payer.journal, bootstrap)
    tasks = [asyncio.create_task(watcher.run())]
    receiver.child.start()
    try:
        await until(lambda: receiver.is_ready, _READY_S_MAX, "the client's endpoints to be made")
        payer.child.start()
        tasks.append(asyncio.create_task(_tend(payer)))
        await until(lambda: payer.is_ready, _READY_S_MAX, "the people to be brought in")
        yield Scene(
            target=target,
            board=board,
            payer=payer,
            receiver=receiver,
            watcher=watcher,
            crashes=directory / CRASHES,
            disk=disk,
        )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        payer.child.kill()
        receiver.child.kill()


async def _tend(payer: Payer) -> None:
    while True:
        payer.tend()
        await asyncio.sleep(_TEND_S)
