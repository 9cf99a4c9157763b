"""Run stages in one process: `python -m titan.worker STAGE [STAGE ...]`.

Each stage is the application that its room's `make_app` builds, as `faststream run` would run it;
here several share a process and its event loop. SIGTERM or SIGINT ends all of them after the
batches in progress. With TITAN_METRICS_PORT set, /metrics and /health answer there.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import structlog
import uvloop
from faststream import FastStream
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.errors import Defect, TitanError
from runtime import limits
from runtime.app import HEALTH
from runtime.clock import Clock, SystemClock
from runtime.collector import spare_collector
from runtime.database import Database
from runtime.selfcheck import (
    Finding,
    database_findings,
    demand_fit,
    setting_findings,
    topic_findings,
)
from runtime.settings import Settings, setting_faults
from runtime.telemetry import configure_logging
from runtime.topics import group_of, topic_map
from titan.packing import may_be_late, stages_of
from titan.priority import give_way
from titan.quiet_server import quiet_server

log = structlog.get_logger()

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

FIT_WAIT_S_MAX: Final = 120.0
"""A first start formats disks and makes a database; with other servers that is minutes at most."""

_FIT_POLL_S: Final = 0.25


async def metrics(_request: Request) -> Response:
    """The process's metrics in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def health(request: Request) -> Response:
    """200 while every stage gets its work done, else 503; the body tells them apart."""
    stages = {name: stage.report() for name, stage in HEALTH.items()}
    status = "down"
    if all(report["status"] == "up" for report in stages.values()):
        # A consumer that has not joined its group yet has no lag, but does no work either.
        status = "up" if request.app.state.has_started else "starting"
    body = {"status": status, "stages": stages}
    return JSONResponse(body, status_code=200 if status == "up" else 503)


async def run(stages: Sequence[str], settings: Settings) -> None:
    """Run the stages until SIGTERM or SIGINT, then stop them within limits.GRACEFUL_STOP_S."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # Imported first: a process that starts together with the servers loses no time.
    apps = [_app_of(stage) for stage in stages]
    spare_collector()
    operations = Starlette(routes=[Route("/metrics", metrics), Route("/health", health)])
    operations.state.has_started = False
    server = quiet_server(operations, host=settings.bind_host, port=settings.metrics_port)
    serving = asyncio.create_task(server.serve()) if settings.metrics_port else None
    try:
        fit = asyncio.create_task(until_fit(settings, stages, SystemClock()))
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait((fit, stop), return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            fit.cancel()
            return
        await fit
        await asyncio.gather(*(app.start() for app in apps))
        operations.state.has_started = True
        log.info("started", stages=list(stages))
        await stop
        async with asyncio.timeout(limits.GRACEFUL_STOP_S):
            await asyncio.gather(*(app.stop() for app in apps))
        log.info("stopped", stages=list(stages))
    finally:
        if serving is not None:
            server.should_exit = True
            await serving


async def until_fit(settings: Settings, stages: Sequence[str], clock: Clock) -> None:
    """Wait until the servers are there, migrated and with their topics; then it is safe to work.

    The servers may start at the same time as this process, or be away when it starts again; a
    stage that started before would end at once, for each checks the same by itself. After
    FIT_WAIT_S_MAX what is still wrong is raised.
    """
    patient_until_s = clock.monotonic_s() + FIT_WAIT_S_MAX
    while True:
        try:
            demand_fit(await _findings(settings, stages))
        except TitanError:
            # A defect too: before the migrations, the role that everything works as is unknown.
            if clock.monotonic_s() > patient_until_s:
                raise
            await clock.sleep(_FIT_POLL_S)
        else:
            return


async def _findings(settings: Settings, stages: Sequence[str]) -> list[Finding]:
    if settings.kafka_bootstrap is None or settings.postgres_dsn is None:
        raise Defect("set TITAN_KAFKA_BOOTSTRAP and TITAN_POSTGRES_DSN, or use `titan up`")
    topics = topic_map()
    names = {topic.name for stage in stages for topic in topics.of_group(group_of(stage))}
    database = await Database.connect(settings.postgres_dsn.get_secret_value(), name="worker")
    try:
        return [
            *setting_findings(settings, joins_group=True),
            *await topic_findings(settings.kafka_bootstrap, topics, settings=settings, only=names),
            *await database_findings(database, settings=settings),
        ]
    finally:
        await database.close()


def _app_of(stage: str) -> FastStream:
    app = import_module(f"consumers.{stage}.app").make_app()
    assert isinstance(app, FastStream)
    return app


def main(arguments: Sequence[str]) -> int:
    """Run the named stages; returns the exit status."""
    known = stages_of(topic_map())
    unknown = [stage for stage in arguments if stage not in known]
    if unknown or not arguments or len(set(arguments)) < len(arguments):
        sys.stderr.write(f"name each stage once, of: {', '.join(known)}\n")
        return EXIT_USAGE
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"titan: {'; '.join(setting_faults(error))}\n")
        return EXIT_USAGE
    configure_logging(settings)
    if may_be_late(arguments):
        give_way()
    try:
        uvloop.run(run(arguments, settings))
    except TitanError as error:
        log.error("cannot_run", stages=list(arguments), error=str(error))  # noqa: TRY400 - one plain line, no trace
        return EXIT_FAILED
    except Exception:
        log.exception("failed", stages=list(arguments))
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
