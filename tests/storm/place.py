"""The Titan that the storms hit: one for the run, on a directory and ports of its own."""

import asyncio
import dataclasses
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import psutil

from runtime.clock import SystemClock
from runtime.settings import Settings
from tests.storm.client import Client
from tests.storm.garbage import Garbage
from tests.storm.history import History
from tests.storm.http import NoAnswer
from tests.support.waiting import eventually
from titan.local_titan import LocalTitan
from titan.packing import STAGE_WEIGHTS_US, Pack
from titan.programs import worker_program
from titan.servers import EmbeddedServer
from titan.servers.ports import free_port
from titan.supervisor import Child

RECOVERY_S_MAX: Final = 60.0

SESSION_SETTING: Final = "TITAN_CONSUMER_SESSION_TIMEOUT_MS"
SESSION_MS: Final = 6_000
"""Long enough for a killed stage to be back under its name, short enough to see an eviction."""

_PROCESSES: Final = 2


@dataclass
class Storm:
    """A running Titan, those who pay through it, and what they know."""

    titan: LocalTitan
    settings: Settings
    client: Client
    tell: Callable[[str], None]
    """Shows a line to whoever runs the tests."""
    accounts: dict[str, UUID] = field(default_factory=dict)
    """The account that each handle names."""
    garbage: list[Garbage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What the supervisor told, in order."""

    @property
    def workers(self) -> list[Child]:
        """The stage processes."""
        return [child for child in self._children if child.program.mark == "titan.worker"]

    @property
    def edges(self) -> list[Child]:
        """The edge processes."""
        return [child for child in self._children if child.program.mark == "titan.edge"]

    @property
    def _children(self) -> list[Child]:
        assert self.titan._supervisor is not None
        return self.titan._supervisor.children

    def server(self, name: str) -> EmbeddedServer:
        """One of PostgreSQL, Valkey and Kafka."""
        assert self.titan._servers is not None
        [found] = [each for each in self.titan._servers.embedded if each.name == name]
        return found

    def worker_of(self, stage: str) -> Child:
        """The process that runs a stage."""
        [found] = [each for each in self.workers if stage in each.program.arguments]
        return found

    async def kill_child(self, child: Child) -> None:
        """kill -9, and wait until the supervisor has it working again."""
        killed, deaths = child.pid, child.deaths
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: child.deaths > deaths, RECOVERY_S_MAX)
        await eventually(lambda: self.is_up(child), RECOVERY_S_MAX)

    async def kill_server(self, name: str) -> None:
        """kill -9, and wait until the supervisor has it answering again."""
        server = self.server(name)
        heard = len(self.said)
        os.kill(server.pid, signal.SIGKILL)
        await eventually(
            lambda: any(line.startswith(f"{name} is back") for line in self.said[heard:]),
            RECOVERY_S_MAX,
        )

    @asynccontextmanager
    async def twin_of(self, worker: Child) -> AsyncIterator[Child]:
        """A second process with the stages of a worker, in the same consumer groups."""
        stages = tuple(word for word in worker.program.arguments if word in STAGE_WEIGHTS_US)
        program = worker_program(
            Pack(name="twin", stages=stages, replica=1),
            metrics_port=free_port(),
            settings=self.settings,
            addresses=self.titan.addresses,
        )
        # What the workers were given when they started, and this test process was not.
        environment = {**program.environment, SESSION_SETTING: str(SESSION_MS)}
        twin = Child(
            dataclasses.replace(program, environment=environment),
            directory=self.titan.directory,
            clock=SystemClock(),
            say=self.said.append,
        )
        twin.start()
        try:
            await eventually(lambda: self.is_up(twin), RECOVERY_S_MAX)
            yield twin
        finally:
            await twin.stop()

    @contextmanager
    def held(self, *pids: int | None) -> Iterator[None]:
        """Stop these processes in their tracks; afterwards they go on as if nothing had been."""
        for pid in pids:
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                assert pid is not None
                os.kill(pid, signal.SIGCONT)

    async def is_up(self, child: Child) -> bool:
        """Whether a stage process or an edge says that it works."""
        environment = child.program.environment
        if child.program.mark == "titan.worker":
            url = f"http://127.0.0.1:{environment['TITAN_METRICS_PORT']}/health"
        else:
            port = environment[f"TITAN_{child.program.name.upper()}_PORT"]
            url = f"http://127.0.0.1:{port}/ready"
        try:
            return (await self.client.http.request("GET", url)).is_success
        except NoAnswer:
            return False


@asynccontextmanager
async def open_storm(seed: int, *, tell: Callable[[str], None]) -> AsyncIterator[Storm]:
    """Start everything; afterwards nothing of it is left, whatever happened in between."""
    directory = Path(tempfile.mkdtemp(prefix="titan-storm-"))
    said: list[str] = []
    settings = Settings(data_directory=directory, handles_port=0, payments_port=0)
    titan = LocalTitan(
        settings,
        processes=_PROCESSES,
        clock=SystemClock(),
        say=said.append,
        progress=said.append,
    )
    serving = None
    try:
        with _session_of_workers():
            await titan.start()
        serving = asyncio.create_task(titan.serve())
        client = Client(
            payments_url=titan.payments_url,
            handles_url=titan.handles_url,
            history=History(seed),
        )
        try:
            yield Storm(titan, settings, client, tell, said=said)
        finally:
            client.http.close()
    finally:
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        try:
            await titan.stop()
        finally:
            titan.kill()
            shutil.rmtree(directory)
        assert _left_of(directory) == []


@contextmanager
def _session_of_workers() -> Iterator[None]:
    """The processes inherit the environment, and so this setting."""
    os.environ[SESSION_SETTING] = str(SESSION_MS)
    try:
        yield
    finally:
        del os.environ[SESSION_SETTING]


def _left_of(directory: Path) -> list[str]:
    """Processes that still have the directory in their command line or environment."""
    left = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
            if process.status() != psutil.STATUS_ZOMBIE and str(directory) in " ".join(words):
                left.append(f"{process.pid} {' '.join(process.cmdline())}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return left
