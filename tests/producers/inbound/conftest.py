"""Webhooks in on real servers: topics and secrets of this room's own, for all its tests."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import TopicMap, topic_map
from tests.producers.inbound.place import RECEIVED, Door, Place
from tests.producers.inbound.senders import SECRETS
from titan.servers import Endpoints


@pytest.fixture(scope="session")
def inbound_settings(
    endpoints: Endpoints,
    database_dsn: str,
    redis_url: str,
    worker: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    prefix = f"{uuid4().hex[:8]}-{worker}-inbound-"
    one = TopicMap(defaults=topic_map().defaults, topics=[topic_map()[RECEIVED]])
    asyncio.run(apply_topics(endpoints.kafka_bootstrap, one, prefix=prefix))
    secrets = tmp_path_factory.mktemp("secrets")
    for name, secret in SECRETS.items():
        (secrets / name).write_text(f"{secret}\n", "utf-8")
    return Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=SecretStr(database_dsn),
        redis_url=SecretStr(redis_url),
        topic_prefix=prefix,
        data_directory=tmp_path_factory.mktemp("inbound"),
        inbound_secrets=secrets,
    )


@pytest.fixture
def place(inbound_settings: Settings, tmp_path: Path) -> Place:
    return Place(inbound_settings, tmp_path)


@pytest.fixture
async def door(place: Place) -> AsyncIterator[Door]:
    """A process of the edge."""
    async with place.door() as door:
        yield door
