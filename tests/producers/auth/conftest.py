"""Auth on real servers, its events readable from the log."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from tests.conftest import RUN
from tests.producers.auth.place import CHEAP, Auth, auth_at
from tests.support.databases import create_migrated_database
from titan.servers import Endpoints

ROOM = "producers.auth"


@pytest.fixture(scope="session")
def auth_prefix(endpoints: Endpoints, worker: str) -> str:
    """Topics that the tests of this room share."""
    prefix = f"{uuid4().hex[:8]}-{worker}-auth-"
    own = [topic for topic in topic_map().topics if ROOM in topic.producers]
    used = topic_map().model_copy(update={"topics": own})
    asyncio.run(apply_topics(endpoints.kafka_bootstrap, used, prefix=prefix))
    return prefix


@pytest.fixture(scope="session")
def auth_dsn(endpoints: Endpoints, worker: str, pytestconfig: pytest.Config) -> str:
    """A database of this room's own: what another left in an outbox goes to topics not here."""
    run = pytestconfig.stash[RUN].name
    return asyncio.run(
        create_migrated_database(endpoints.postgres_dsn, run=run, name=f"{run}_{worker}_auth")
    )


@pytest.fixture
def settings(endpoints: Endpoints, auth_dsn: str, redis_url: str, auth_prefix: str) -> Settings:
    return Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=SecretStr(auth_dsn),
        redis_url=SecretStr(redis_url),
        topic_prefix=auth_prefix,
        vault_key=SecretStr("A" * 43 + "="),
        password_cost=CHEAP,
    )


@pytest.fixture
async def auth(settings: Settings) -> AsyncIterator[Auth]:
    async with auth_at(settings) as auth:
        yield auth
