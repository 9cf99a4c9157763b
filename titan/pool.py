"""Run a pool: `python -m titan.pool webhook_delivery`.

A pool works off rows of PostgreSQL that are due; any number of its processes share the work. With
TITAN_METRICS_PORT set, /metrics and /health answer there. SIGTERM or SIGINT ends it after what is
on its way.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import structlog
import uvloop
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.errors import TitanError
from producers.webhook_delivery.pool import open_pool as open_webhook_delivery
from runtime.clock import Clock, SystemClock
from runtime.collector import spare_collector
from runtime.database import Database
from runtime.selfcheck import database_findings, demand_fit
from runtime.settings import Settings, setting_faults
from runtime.telemetry import configure_logging
from titan.priority import give_way
from titan.quiet_server import QuietServer, quiet_server

log = structlog.get_logger()

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

FIT_WAIT_S_MAX: Final = 120.0
"""A pool may start together with the database, and waits so long for its tables."""

_FIT_POLL_S: Final = 0.25


class Pool(Protocol):
    """One process's part of a pool."""

    @property
    def is_well(self) -> bool:
        """Whether work gets done."""
        ...

    async def run(self) -> None:
        """Work until `stop`, then end what is on its way."""
        ...

    def stop(self) -> None:
        """Take nothing more."""
        ...


OpenPool = Callable[..., AbstractAsyncContextManager[Any]]

POOLS: Final[Mapping[str, OpenPool]] = {"webhook_delivery": open_webhook_delivery}
"""Every pool, by the room that it is in."""


async def run(name: str, settings: Settings) -> None:
    """Run a pool until SIGTERM or SIGINT."""
    clock = SystemClock()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    spare_collector()
    state: dict[str, Pool] = {}
    serving = _serve(settings, state)
    stop = asyncio.create_task(stopping.wait())
    try:
        fit = asyncio.create_task(_until_fit(settings, clock))
        await asyncio.wait((fit, stop), return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            fit.cancel()
            return
        await fit
        async with POOLS[name](settings, clock=clock) as pool:
            state[name] = pool
            running = asyncio.create_task(pool.run())
            log.info("started", pool=name)
            await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
            pool.stop()
            await running
        log.info("stopped", pool=name)
    finally:
        stop.cancel()
        if serving is not None:
            server, task = serving
            server.should_exit = True
            await task


async def _until_fit(settings: Settings, clock: Clock) -> None:
    """Wait until the database is there and migrated; then it is safe to work."""
    if settings.postgres_dsn is None:
        raise TitanError("set TITAN_POSTGRES_DSN, or start everything with `titan up`")
    database = await Database.connect(settings.postgres_dsn.get_secret_value(), name="pool")
    patient_until_s = clock.monotonic_s() + FIT_WAIT_S_MAX
    try:
        while True:
            try:
                demand_fit(await database_findings(database, settings=settings))
                async with database.connection() as connection:
                    await connection.execute("SELECT FROM webhook_replays LIMIT 0")
            except TitanError:
                if clock.monotonic_s() > patient_until_s:
                    raise
                await clock.sleep(_FIT_POLL_S)
            else:
                return
    finally:
        await database.close()


def _serve(
    settings: Settings, state: Mapping[str, Pool]
) -> tuple[QuietServer, "asyncio.Task[None]"] | None:
    if settings.metrics_port == 0:
        return None

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def health(_request: Request) -> Response:
        status = "starting"
        if state:
            status = "up" if all(pool.is_well for pool in state.values()) else "down"
        body = {"status": status, "pools": list(state)}
        return JSONResponse(body, status_code=200 if status == "up" else 503)

    operations = Starlette(routes=[Route("/metrics", metrics), Route("/health", health)])
    server = quiet_server(operations, host=settings.bind_host, port=settings.metrics_port)
    return server, asyncio.create_task(server.serve())


def main(arguments: Sequence[str]) -> int:
    """Run the named pool; returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in POOLS:
        sys.stderr.write(f"name one pool, of: {', '.join(POOLS)}\n")
        return EXIT_USAGE
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"titan: {'; '.join(setting_faults(error))}\n")
        return EXIT_USAGE
    configure_logging(settings)
    give_way()
    try:
        uvloop.run(run(arguments[0], settings))
    except TitanError as error:
        log.error("cannot_run", pool=arguments[0], error=str(error))  # noqa: TRY400 - one plain line, no trace
        return EXIT_FAILED
    except Exception:
        log.exception("failed", pool=arguments[0])
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
