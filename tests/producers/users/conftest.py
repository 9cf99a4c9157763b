"""Users on real servers: topics, a database and a folder of this room's own, for all its tests."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pydantic import SecretStr

from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from tests.producers.users.place import Place, Somebody
from tests.support.databases import create_migrated_database
from titan.servers import Endpoints


@pytest.fixture(scope="session")
def users_settings(
    endpoints: Endpoints,
    database_dsn: str,
    redis_url: str,
    worker: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Creating all topics takes the broker seconds. The tables hold keys that lie in the folder."""
    name = urlsplit(database_dsn).path.removeprefix("/") + "_users"
    dsn = asyncio.run(
        create_migrated_database(endpoints.postgres_dsn, run=name.split("_")[0], name=name)
    )
    prefix = f"{uuid4().hex[:8]}-{worker}-users-"
    asyncio.run(apply_topics(endpoints.kafka_bootstrap, topic_map(), prefix=prefix))
    return Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=SecretStr(dsn),
        redis_url=SecretStr(redis_url),
        topic_prefix=prefix,
        data_directory=tmp_path_factory.mktemp("users"),
    )


@pytest.fixture
def place(users_settings: Settings) -> Place:
    return Place(users_settings)


@pytest.fixture
async def alice(place: Place) -> AsyncIterator[Somebody]:
    """A new person, and a process of the edge for them."""
    async with place.edge() as somebody:
        yield somebody


@pytest.fixture
def folder(place: Place) -> Path:
    """Where the demo's codes and documents lie."""
    return place.settings.data_directory
