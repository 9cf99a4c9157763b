"""The feed on real servers: topics of this room's own, for all its tests."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import TopicMap, topic_map
from tests.producers.feed.place import Place, Reader
from titan.servers import Endpoints

GROUPS = ("event-feed", "webhooks", "payment-projection")


@pytest.fixture(scope="session")
def feed_settings(
    endpoints: Endpoints,
    database_dsn: str,
    redis_url: str,
    worker: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Only what its stages read: creating all topics takes the broker many seconds."""
    prefix = f"{uuid4().hex[:8]}-{worker}-feed-"
    read = {topic.name: topic for group in GROUPS for topic in topic_map().of_group(group)}
    some = TopicMap(defaults=topic_map().defaults, topics=list(read.values()))
    asyncio.run(apply_topics(endpoints.kafka_bootstrap, some, prefix=prefix))
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
