"""Every module of these tests has topics and a database of its own: tables held against their log.

The tests of one module share them. Each leaves the tables as the log has them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import pytest

from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from tests.conftest import RUN
from tests.replay.place import Place
from tests.support.databases import create_migrated_database
from tests.support.topics import drop_topics
from titan.servers import Endpoints


@pytest.fixture(scope="module")
def ground(endpoints: Endpoints, pytestconfig: pytest.Config) -> Iterator[Settings]:
    """Topics and tables, empty."""
    run = pytestconfig.stash[RUN].name
    name = f"{run}_replay_{uuid4().hex[:8]}"
    prefix = f"{name.replace('_', '-')}-"

    async def make() -> str:
        await apply_topics(endpoints.kafka_bootstrap, topic_map(), prefix=prefix)
        return await create_migrated_database(endpoints.postgres_dsn, run=run, name=name)

    yield Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=asyncio.run(make()),  # type: ignore[arg-type] # pydantic makes it a secret
        topic_prefix=prefix,
        vault_key="A" * 43 + "=",  # type: ignore[arg-type]
    )
    asyncio.run(drop_topics(endpoints.kafka_bootstrap, prefix))


@pytest.fixture
async def place(ground: Settings) -> AsyncIterator[Place]:
    assert ground.kafka_bootstrap is not None
    assert ground.postgres_dsn is not None
    publisher = KafkaPublisher(
        ground.kafka_bootstrap, prefix=ground.topic_prefix, settings=ground, role="tests"
    )
    await publisher.start()
    owner = await asyncpg.connect(ground.postgres_dsn.get_secret_value())
    yield Place(ground, publisher, owner)
    await owner.close()
    await publisher.stop()
