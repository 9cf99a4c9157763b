"""The Payment Router over a log in memory with everything else down, or on real servers."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from domain.errors import Unavailable
from runtime import limits
from runtime.lag import LagReader, pipeline_groups
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from tests.producers.payments.place import Place
from tests.producers.payments.router import Router, router_in_memory
from tests.support.waiting import eventually
from titan.servers import Endpoints

PATIENCE = (
    "CACHE_COMMAND_S_MAX",
    "CACHE_CONNECT_S_MAX",
    "ACCEPT_LOOKUP_S_MAX",
    "EDGE_PUBLISH_S_MAX",
)


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    """Publishes into memory; no broker, database or cache answers."""
    async with router_in_memory() as router:
        yield router


@pytest.fixture(scope="session")
def payments_prefix(endpoints: Endpoints, worker: str) -> str:
    """Topics that the tests of this room share: creating them all takes the broker seconds."""
    prefix = f"{uuid4().hex[:8]}-{worker}-payments-"
    asyncio.run(_prepare(endpoints.kafka_bootstrap, prefix))
    return prefix


@pytest.fixture
async def place(
    endpoints: Endpoints,
    database_dsn: str,
    redis_url: str,
    payments_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """Real servers. Other tests used these topics and this database: take a key of your own.

    Patience is not what is tested here: a loaded machine must not look like one whose cache,
    database or broker is down.
    """
    for name in PATIENCE:
        monkeypatch.setattr(limits, name, 20.0)
    return Place(
        Settings(
            kafka_bootstrap=endpoints.kafka_bootstrap,
            postgres_dsn=SecretStr(database_dsn),
            redis_url=SecretStr(redis_url),
            topic_prefix=payments_prefix,
            vault_key=SecretStr("A" * 43 + "="),
        )
    )


@pytest.fixture
def key() -> str:
    """A key that no other test has used."""
    return uuid4().hex


async def _prepare(bootstrap: str, prefix: str) -> None:
    """Create the topics, and wait until the broker serves each partition."""
    await apply_topics(bootstrap, topic_map(), prefix=prefix)
    reader = LagReader(pipeline_groups(topic_map(), "payment."), bootstrap=bootstrap, prefix=prefix)

    async def is_served() -> bool:
        try:
            await reader.read()
        except Unavailable:
            return False
        return True

    await eventually(is_served, timeout_s=50)
    await reader.close()
