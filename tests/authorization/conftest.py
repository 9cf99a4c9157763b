"""One set of topics and tables for all that is asked of every edge."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import SecretStr

from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from titan.servers import Endpoints


@pytest.fixture(scope="session")
def settings(
    endpoints: Endpoints,
    database_dsn: str,
    redis_url: str,
    worker: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    prefix = f"{uuid4().hex[:8]}-{worker}-authorization-"
    asyncio.run(apply_topics(endpoints.kafka_bootstrap, topic_map(), prefix=prefix))
    return Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=SecretStr(database_dsn),
        redis_url=SecretStr(redis_url),
        topic_prefix=prefix,
        vault_key=SecretStr("A" * 43 + "="),
        data_directory=tmp_path_factory.mktemp("authorization"),
    )
