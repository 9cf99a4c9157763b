"""The feed on real servers: topics of this room's own, for all its tests."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from tests.producers.feed.place import Place, Reader
from titan.servers import Endpoints


@pytest.fixture(scope="session")
def feed_settings(
    endpoints: Endpoints,
    database_dsn: str,
    redis_url: str,
    worker: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Creating all topics takes the broker seconds."""
    prefix = f"{uuid4().hex[:8]}-{worker}-feed-"
    asyncio.run(apply_topics(endpoints.kafka_bootstrap, topic_map(), prefix=prefix))
    return Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=SecretStr(database_dsn),
        redis_url=SecretStr(redis_url),
        topic_prefix=prefix,
        data_directory=tmp_path_factory.mktemp("feed"),
    )


@pytest.fixture
def place(feed_settings: Settings) -> Place:
    return Place(feed_settings)


@pytest.fixture
async def alice(place: Place) -> AsyncIterator[Reader]:
    """A new client, and a process of the edge for it."""
    async with place.edge() as reader:
        yield reader
