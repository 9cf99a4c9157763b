"""What an edge stands on when nobody answers: a log in memory; no broker, database or cache."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pydantic import SecretStr

from runtime.cache import Cache
from runtime.clock import Clock
from runtime.database import Database
from runtime.http.page import Cursors
from runtime.http.resources import EdgeResources
from runtime.publisher import Publisher
from runtime.settings import Settings
from tests.support.vaults import memory_vault

NOBODY = "127.0.0.1:1"
"""Where no server listens."""

OpenResources = Callable[[str, Settings, Clock], AbstractAsyncContextManager[EdgeResources]]


def settings_alone(**changes: Any) -> Settings:
    """Settings that name servers where none is."""
    return Settings(
        **{
            "kafka_bootstrap": NOBODY,
            "postgres_dsn": SecretStr(f"postgresql://nobody@{NOBODY}/nothing"),
            **changes,
        }
    )


def resources_alone(publisher: Publisher) -> OpenResources:
    """What `make_app` opens for an edge that publishes by `publisher` alone."""

    @asynccontextmanager
    async def resources(
        name: str, settings: Settings, clock: Clock
    ) -> AsyncIterator[EdgeResources]:
        vault = memory_vault(bytes(32), clock=clock)
        assert settings.postgres_dsn is not None
        database = await Database.connect(settings.postgres_dsn.get_secret_value(), name=name)
        cache = Cache.at(f"redis://{NOBODY}", prefix="test:", clock=clock)
        yield EdgeResources(
            settings=settings,
            clock=clock,
            database=database,
            publisher=publisher,
            cache=cache,
            vault=vault,
            cursors=Cursors(vault),
            checks=(),
        )
        await cache.close()
        await database.close()

    return resources
