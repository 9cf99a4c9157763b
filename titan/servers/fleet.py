"""The three servers together: each embedded or external on its own, started at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from titan.servers import kafka, postgres, valkey
from titan.servers.embedded import EmbeddedServer
from titan.servers.errors import ServerStartError
from titan.servers.kafka import Kafka
from titan.servers.ports import LOOPBACK
from titan.servers.postgres import Postgres
from titan.servers.valkey import Valkey

# Each embedded server's folder in the data directory.
FOLDERS: dict[str, type[EmbeddedServer]] = {
    "postgres": Postgres,
    "valkey": Valkey,
    "kafka": Kafka,
}

EXTERNAL_ANSWER_TIMEOUT_S = 15.0
_EXTERNAL_RETRY_S = 0.25


@dataclass(frozen=True, kw_only=True)
class ServerPlan:
    """Which servers to use: an address given means that one, None means an embedded one.

    `directory` holds the embedded servers' data, a folder for each. Port 0 is any free one.
    `kafka_doors` are further listeners of an embedded Kafka, as it says itself.
    """

    directory: Path
    kafka_bootstrap: str | None = None
    postgres_dsn: str | None = None
    redis_url: str | None = None
    kafka_port: int = 0
    postgres_port: int = 0
    redis_port: int = 0
    kafka_doors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where the three servers answer."""

    kafka_bootstrap: str
    postgres_dsn: str
    redis_url: str


class Servers:
    """The embedded servers of one Titan, and the addresses of all three.

    `progress` gets one line for each server that is ready. Use it as an async context manager,
    or call start and stop. Starts must come from a thread that outlives the servers.
    """

    def __init__(self, plan: ServerPlan, *, progress: Callable[[str], None]) -> None:
        self._plan = plan
        self._progress = progress
        self.postgres = (
            None
            if plan.postgres_dsn
            else Postgres(plan.directory / "postgres", port=plan.postgres_port)
        )
        self.valkey = (
            None if plan.redis_url else Valkey(plan.directory / "valkey", port=plan.redis_port)
        )
        self.kafka = (
            None
            if plan.kafka_bootstrap
            else Kafka(plan.directory / "kafka", port=plan.kafka_port, doors=plan.kafka_doors)
        )

    @property
    def embedded(self) -> list[EmbeddedServer]:
        """The servers that this Titan runs itself."""
        return [server for server in (self.postgres, self.valkey, self.kafka) if server is not None]

    @property
    def endpoints(self) -> Endpoints:
        """Where the servers answer, once started."""
        return Endpoints(
            kafka_bootstrap=self._plan.kafka_bootstrap or _url_of(self.kafka),
            postgres_dsn=self._plan.postgres_dsn or _url_of(self.postgres),
            redis_url=self._plan.redis_url or _url_of(self.valkey),
        )

    async def start(self) -> Endpoints:
        """Start what is embedded, wait for what is external, all at once.

        Where one fails, the others are stopped and its ServerStartError is raised.
        """
        waits: list[Awaitable[None]] = [self._start(server) for server in self.embedded]
        waits += self._external_waits()
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.stop()
            raise
        return self.endpoints

    async def stop(self) -> None:
        """Stop the embedded servers gracefully, all at once; external ones are left alone."""
        await asyncio.gather(*(server.stop() for server in self.embedded))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _start(self, server: EmbeddedServer) -> None:
        clock = asyncio.get_running_loop()
        started_s = clock.time()
        await server.start()
        self._progress(
            f"{server.name} {server.version} ready on {LOOPBACK}:{server.port} "
            f"in {clock.time() - started_s:.1f} s"
        )

    def _external_waits(self) -> list[Awaitable[None]]:
        plan = self._plan
        waits: list[Awaitable[None]] = []
        if plan.postgres_dsn:
            waits.append(self._await_external(Postgres, plan.postgres_dsn, _postgres_answers))
        if plan.redis_url:
            waits.append(self._await_external(Valkey, plan.redis_url, _redis_answers))
        if plan.kafka_bootstrap:
            waits.append(self._await_external(Kafka, plan.kafka_bootstrap, kafka.answers))
        return waits

    async def _await_external(
        self,
        kind: type[EmbeddedServer],
        address: str,
        answers: Callable[[str], Awaitable[bool]],
    ) -> None:
        shown = _without_secrets(address)
        try:
            async with asyncio.timeout(EXTERNAL_ANSWER_TIMEOUT_S):
                while not await answers(address):  # noqa: ASYNC110 - nobody tells us when it is up
                    await asyncio.sleep(_EXTERNAL_RETRY_S)
        except TimeoutError:
            raise ServerStartError(
                f"{kind.name} at {shown} does not answer. Start it, correct {kind.url_setting}, "
                f"or unset {kind.url_setting} to run an embedded one."
            ) from None
        self._progress(f"{kind.name} at {shown} answers ({kind.url_setting})")


async def _postgres_answers(dsn: str) -> bool:
    return await postgres.answered_version(dsn) is not None


async def _redis_answers(url: str) -> bool:
    return await valkey.answered_version(url) is not None


def _url_of(server: EmbeddedServer | None) -> str:
    if server is None:
        raise RuntimeError("neither an address was given nor a server embedded")
    return server.url


def _without_secrets(address: str) -> str:
    """Host and port only: a DSN may carry a password."""
    if "//" not in address:
        return address
    with suppress(ValueError):
        parts = urlsplit(address)
        return f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    return "the given address"
