"""The Titan that is hit: its processes and servers, and how to kill, stop and double them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

import psutil

from runtime.clock import SystemClock
from runtime.settings import Settings
from titan.chaos.client import Client
from titan.chaos.garbage import Garbage
from titan.chaos.http import NoAnswer
from titan.chaos.waiting import until
from titan.edge import EDGE_PROCESSES
from titan.local_titan import LocalTitan
from titan.packing import STAGE_WEIGHTS_US, Pack
from titan.programs import worker_program
from titan.servers import EmbeddedServer
from titan.servers.ports import LOOPBACK, free_port
from titan.servers.process import family_of
from titan.supervisor import Child
from titan.wiring import Direct, Wiring

RECOVERY_S_MAX: Final = 60.0
"""What was hit works again within so long."""

SESSION_MS: Final = 6_000
"""Long enough for a killed stage to be back under its name, short enough to see an eviction."""

HEARTBEAT_MS: Final = 500
"""So that a member hears soon that partitions change hands."""

RESTART_PAUSE_S_MAX: Final = 1.0
"""Who is killed every few seconds on purpose is started again all the same."""

EDGE: Final = "titan.edge"
WORKER: Final = "titan.worker"
POOL: Final = "titan.pool"


@dataclass
class Target:
    """A running Titan, those who pay through it, and what they know."""

    titan: LocalTitan
    settings: Settings
    client: Client
    tell: Callable[[str], None]
    """Shows a line to whoever looks on."""
    wiring: Wiring = field(default_factory=Direct)
    garbage: list[Garbage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What the supervisor told, in order."""

    @property
    def workers(self) -> list[Child]:
        """The stage processes."""
        return [child for child in self.titan.children if child.program.mark == WORKER]

    @property
    def edges(self) -> list[Child]:
        """The edge processes."""
        return [child for child in self.titan.children if child.program.mark == EDGE]

    @property
    def pools(self) -> list[Child]:
        """The processes that deliver webhooks."""
        return [child for child in self.titan.children if child.program.mark == POOL]

    def server(self, name: str) -> EmbeddedServer:
        """One of PostgreSQL, Valkey and Kafka."""
        [found] = [each for each in self.titan.servers.embedded if each.name == name]
        return found

    def worker_of(self, stage: str) -> Child:
        """The process that runs a stage."""
        [found] = [each for each in self.workers if stage in each.program.arguments]
        return found

    async def kill_child(self, child: Child) -> None:
        """SIGKILL, as soon as it runs; on return it is dead, and will be started again."""
        name = child.program.name
        await until(lambda: child.pid is not None, RECOVERY_S_MAX, f"{name} to run")
        killed, deaths = child.pid, child.deaths
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await until(lambda: child.deaths > deaths, RECOVERY_S_MAX, f"the death of {name}")

    async def kill_server(self, name: str) -> None:
        """SIGKILL, as soon as it runs; on return it is dead, and will be started again."""
        server = self.server(name)
        await until(lambda: server.is_running, RECOVERY_S_MAX, f"{name} to run")
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: not server.is_running, RECOVERY_S_MAX, f"the death of {name}")

    @asynccontextmanager
    async def twin_of(self, worker: Child) -> AsyncIterator[Child]:
        """A second process with the stages of a worker, in the same consumer groups."""
        stages = tuple(word for word in worker.program.arguments if word in STAGE_WEIGHTS_US)
        program = worker_program(
            Pack(name=f"twin-of-{worker.program.name}", stages=stages, replica=1),
            metrics_port=free_port(),
            settings=self.settings,
            addresses=self.wiring.addresses(worker.program.name, self.titan.servers),
        )
        twin = Child(
            program, directory=self.titan.directory, clock=SystemClock(), say=self.said.append
        )
        twin.start()
        try:
            await until(lambda: self.is_up(twin), RECOVERY_S_MAX, f"{program.name} to be up")
            yield twin
        finally:
            await twin.stop()

    @contextmanager
    def held(self, *pids: int | None) -> Iterator[None]:
        """Stop these processes in their tracks; afterwards they go on as if nothing had been.

        A process's children are stopped with it, as those of PostgreSQL.
        """
        stopped: list[psutil.Process] = []
        for pid in pids:
            assert pid is not None
            stopped += family_of(psutil.Process(pid))
        _signal(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(stopped, signal.SIGCONT)

    async def is_up(self, child: Child) -> bool:
        """Whether a stage process, a pool or all edges of a process say that they work."""
        environment = child.program.environment
        if child.program.mark in {WORKER, POOL}:
            urls = [f"http://{LOOPBACK}:{environment['TITAN_METRICS_PORT']}/health"]
        else:
            rooms = EDGE_PROCESSES[child.program.name]
            ports = (environment[f"TITAN_{room.upper()}_PORT"] for room in rooms)
            urls = [f"http://{LOOPBACK}:{port}/ready" for port in ports]
        try:
            answers = await asyncio.gather(*(self.client.http.request("GET", url) for url in urls))
        except NoAnswer:
            return False
        return all(answer.is_success for answer in answers)


@asynccontextmanager
async def running(titan: LocalTitan) -> AsyncIterator[None]:
    """Start all of a Titan and look after it; afterwards none of its processes is left."""
    serving = None
    try:
        await titan.start()
        serving = asyncio.create_task(titan.serve())
        yield
    finally:
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        try:
            await titan.stop()
        finally:
            titan.kill()


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
