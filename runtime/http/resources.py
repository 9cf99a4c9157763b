"""What an edge works with, opened when it starts and closed when it stops."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import structlog

from domain.errors import Invalid
from runtime.cache import Cache
from runtime.clock import Clock
from runtime.crash_points import arm
from runtime.database import Database
from runtime.http.operations import DATABASE, Check
from runtime.http.page import Cursors
from runtime.publisher import KafkaPublisher, Publisher
from runtime.selfcheck import demand_fit, setting_findings
from runtime.settings import Settings
from runtime.vault import Vault, connect_vault

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EdgeResources:
    """The shared tools of one edge process."""

    settings: Settings
    clock: Clock
    database: Database
    publisher: Publisher
    cache: Cache
    vault: Vault
    cursors: Cursors
    checks: tuple[Check, ...]


OpenResources = Callable[[str, Settings, Clock], AbstractAsyncContextManager[EdgeResources]]
"""Opens the resources of the edge of that name; tests give one of their own."""


@asynccontextmanager
async def open_resources(
    name: str, settings: Settings, clock: Clock
) -> AsyncIterator[EdgeResources]:
    """Kafka, PostgreSQL and Redis as the settings name them.

    None of them has to be up: each is connected to when it is first used, and again after it was
    away, so an edge starts in any order with the servers.
    """
    bootstrap = settings.kafka_bootstrap
    dsn = settings.postgres_dsn
    if bootstrap is None or dsn is None:
        raise SystemExit(
            f"titan: {name}: set TITAN_KAFKA_BOOTSTRAP and TITAN_POSTGRES_DSN, "
            "or start everything with `titan up`"
        )
    _demand_fit(name, settings)
    arm(settings)
    vault = await connect_vault(settings, name=name, clock=clock)
    database = await Database.connect(dsn.get_secret_value(), name=name)
    cache = Cache.at(
        settings.redis_url.get_secret_value() if settings.redis_url else None,
        prefix=f"{settings.topic_prefix}titan:",
        clock=clock,
    )
    publisher = KafkaPublisher(
        bootstrap, prefix=settings.topic_prefix, settings=settings, role=name
    )

    async def ping_database() -> None:
        async with database.connection() as connection:
            await connection.execute("SELECT 1")

    try:
        yield EdgeResources(
            settings=settings,
            clock=clock,
            database=database,
            publisher=publisher,
            cache=cache,
            vault=vault,
            cursors=Cursors(vault),
            checks=(
                # Who may not sign in any more is told by it: without it no caller is believed.
                Check("kafka", publisher.ping, required=True),
                Check(DATABASE, ping_database, required=False),
                Check("redis", cache.ping, required=False),
            ),
        )
    finally:
        await publisher.stop()
        await cache.close()
        await database.close()
        await vault.close()


def _demand_fit(name: str, settings: Settings) -> None:
    """Refuse settings outside the pinned table; the demo says them aloud and goes on.

    Topics and tables are not asked for: an edge starts in any order with the servers.
    """
    try:
        for line in demand_fit(setting_findings(settings, joins_group=False)):
            log.warning("unfit_but_demo", edge=name, finding=line)
    except Invalid as error:
        raise SystemExit(f"titan: {name}: {error.message}") from error
