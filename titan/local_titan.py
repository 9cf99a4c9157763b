"""All of Titan on this machine: servers, schema, topics, edges and stages, started together.

servers start -> (PostgreSQL) migrations -> (Kafka) topics -> edges and stages ready
edges and stages start at the same time as the servers, and wait for topics by themselves
"""

import asyncio
import errno
import os
from typing import Final

import psutil

from runtime.clock import Clock
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topic_plan import ChangeKind
from runtime.topics import topic_map
from runtime.vault import load_vault
from titan.directory_lock import DirectoryLock
from titan.edge import EDGES
from titan.endpoints import Endpoints, Worker, remove_endpoints, write_endpoints
from titan.migrate import migrate
from titan.packing import Pack, pack, stages_of
from titan.programs import pool_names, programs_of
from titan.readiness import until_ready
from titan.servers import Endpoints as ServerAddresses
from titan.servers import ServerPlan, Servers
from titan.servers.errors import ServerStartError
from titan.servers.ports import LOOPBACK, free_port, holder_of, is_port_free
from titan.supervisor import RESTART_PAUSE_S_MAX, Child, Program, Say, Supervisor
from titan.wiring import Direct, Wiring

_READY_POLL_S: Final = 0.05


class LocalTitan:
    """One Titan on one data directory. `say` gets a line for each step and each mishap."""

    def __init__(
        self,
        settings: Settings,
        *,
        processes: int,
        clock: Clock,
        say: Say,
        progress: Say,
        wiring: Wiring | None = None,
        restart_pause_s_max: float = RESTART_PAUSE_S_MAX,
    ) -> None:
        self.directory = settings.data_directory.resolve()
        self._settings = settings
        self._clock = clock
        self._say = say
        self._progress = progress
        self._wiring = wiring or Direct()
        self._restart_pause_s_max = restart_pause_s_max
        self._packs = pack(stages_of(topic_map()), processes)
        self._lock = DirectoryLock(self.directory)
        self._servers: Servers | None = None
        self._supervisor: Supervisor | None = None
        self._ports: dict[str, int] = {}
        self._metrics_ports: dict[str, int] = {}

    @property
    def is_running(self) -> bool:
        """Whether there is something to stop."""
        return self._supervisor is not None and any(
            child.pid is not None for child in self._supervisor.children
        )

    @property
    def handles_url(self) -> str:
        """Where Handle Resolution answers."""
        return self._url(self._ports["handles"])

    @property
    def payments_url(self) -> str:
        """Where the Payment Router answers."""
        return self._url(self._ports["payments"])

    @property
    def auth_url(self) -> str:
        """Where Auth answers."""
        return self._url(self._ports["auth"])

    @property
    def webhooks_url(self) -> str:
        """Where Webhooks answer."""
        return self._url(self._ports["webhooks"])

    @property
    def addresses(self) -> ServerAddresses:
        """Where the three servers answer."""
        return self.servers.endpoints

    @property
    def servers(self) -> Servers:
        """The three servers, once they were started."""
        assert self._servers is not None
        return self._servers

    @property
    def children(self) -> list[Child]:
        """The edges and workers, once they were started."""
        assert self._supervisor is not None
        return self._supervisor.children

    async def start(self) -> None:
        """Start all; ServerStartError or another one-line error says what helps."""
        try:
            await self._start()
        except OSError as error:
            raise ServerStartError(self._remedy_of(error)) from error

    async def _start(self) -> None:
        began_s = self._clock.monotonic_s()
        self._lock.take()
        self._servers = Servers(self._plan(), progress=self._progress)
        self._supervisor = self._supervise(self._servers)
        for child in self._supervisor.children:
            if await child.end_leftover():
                self._progress(f"{child.program.name}, left by an earlier run, was ended")
        for room in EDGES:
            self._demand_port(room)
        load_vault(self._settings)
        for child in self._supervisor.children:
            child.start()
        await self._start_servers(self._servers)
        self._supervisor.servers = self._servers.embedded
        self._write_endpoints()
        await until_ready(
            {
                **{room: f"{self._url(port)}/ready" for room, port in self._ports.items()},
                **{name: f"{self._url(port)}/health" for name, port in self._metrics_ports.items()},
            },
            self._supervisor,
            self._clock,
        )
        took_s = self._clock.monotonic_s() - began_s
        stages = sum(len(each.stages) for each in self._packs)
        self._progress(
            f"Ready after {took_s:.1f} s: {len(EDGES)} edges, and {stages} stages in "
            f"{len(self._packs)} processes"
        )

    async def serve(self) -> None:
        """Keep everything running until cancelled."""
        assert self._supervisor is not None
        await self._supervisor.serve()

    async def stop(self) -> None:
        """Stop all, edges first; leaves no process."""
        try:
            if self._supervisor is not None:
                await self._supervisor.stop()
            if self._servers is not None:
                await self._servers.stop()
        finally:
            self._let_go()

    def kill(self) -> None:
        """End all at once, by force."""
        if self._supervisor is not None:
            self._supervisor.kill()
        if self._servers is not None:
            for server in self._servers.embedded:
                server.kill()
        self._let_go()

    def _plan(self) -> ServerPlan:
        settings = self._settings
        dsn, url = settings.postgres_dsn, settings.redis_url
        return ServerPlan(
            directory=self.directory,
            kafka_bootstrap=settings.kafka_bootstrap,
            postgres_dsn=None if dsn is None else dsn.get_secret_value(),
            redis_url=None if url is None else url.get_secret_value(),
            kafka_port=settings.kafka_port,
            postgres_port=settings.postgres_port,
            redis_port=settings.redis_port,
            kafka_doors=self._wiring.kafka_doors,
        )

    def _supervise(self, servers: Servers) -> Supervisor:
        settings = self._settings
        self._ports = {room: getattr(settings, name) or free_port() for room, name in EDGES.items()}
        behind = [*(each.name for each in self._packs), *pool_names(settings)]
        self._metrics_ports = {name: free_port() for name in behind}
        edges, workers = programs_of(
            settings,
            self._packs,
            ports=self._ports,
            metrics_ports=self._metrics_ports,
            addresses=lambda name: self._wiring.addresses(name, servers),
        )
        return Supervisor(
            edges=list(map(self._child, edges)),
            workers=list(map(self._child, workers)),
            clock=self._clock,
            say=self._say,
        )

    def _child(self, program: Program) -> Child:
        return Child(
            program,
            directory=self.directory,
            clock=self._clock,
            say=self._say,
            pause_s_max=self._restart_pause_s_max,
        )

    def _remedy_of(self, error: OSError) -> str:
        if error.errno == errno.ENOSPC:
            return f"the disk of {self.directory} is full. Free some space and start again."
        return (
            f"{error.filename or self.directory}: {error.strerror}. Make it yours to write, or "
            "choose another directory with TITAN_DATA_DIRECTORY."
        )

    def _demand_port(self, room: str) -> None:
        port = self._ports[room]
        if not is_port_free(port):
            raise ServerStartError(
                f"port {port} on {LOOPBACK} is in use by {holder_of(port)}. Stop that program, or "
                f"choose another port with TITAN_{EDGES[room].upper()}."
            )

    async def _start_servers(self, servers: Servers) -> None:
        """Migrate as soon as PostgreSQL answers, while Kafka still starts; then the topics.

        Topics come last: stages take them as the sign that the tables are there as well.
        """
        ready = asyncio.create_task(servers.start())
        try:
            while servers.postgres is not None and not servers.postgres.version:
                if ready.done():
                    break
                await self._clock.sleep(_READY_POLL_S)
            if servers.postgres is None or ready.done():
                await ready
            applied = await asyncio.to_thread(migrate, servers.endpoints.postgres_dsn)
            self._progress(f"Database: {_count(applied, 'migration')} applied")
            await ready
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        changes = await apply_topics(
            servers.endpoints.kafka_bootstrap,
            topic_map(),
            prefix=self._settings.topic_prefix,
            profile=self._settings.profile,
        )
        for change in changes:
            if change.kind is ChangeKind.REFUSED:
                raise ServerStartError(f"topic {change.topic} {change.detail}.")
        created = sum(change.kind is ChangeKind.CREATE for change in changes)
        self._progress(f"Topics: {created} created, as topics.yaml says")

    def _write_endpoints(self) -> None:
        addresses = self.addresses
        write_endpoints(
            self.directory,
            Endpoints(
                pid=os.getpid(),
                created_s=psutil.Process().create_time(),
                kafka_bootstrap=addresses.kafka_bootstrap,
                postgres_dsn=addresses.postgres_dsn,
                redis_url=addresses.redis_url,
                handles_port=self._ports["handles"],
                payments_port=self._ports["payments"],
                auth_port=self._ports["auth"],
                notifications_port=self._ports["notifications"],
                webhooks_port=self._ports["webhooks"],
                workers=[self._worker(each) for each in self._packs],
            ),
        )

    def _worker(self, each: Pack) -> Worker:
        return Worker(
            name=each.name, stages=list(each.stages), metrics_port=self._metrics_ports[each.name]
        )

    def _url(self, port: int) -> str:
        host = self._settings.bind_host
        return f"http://{host}:{port}"

    def _let_go(self) -> None:
        if self._lock.is_held:
            remove_endpoints(self.directory)
            self._lock.release()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
