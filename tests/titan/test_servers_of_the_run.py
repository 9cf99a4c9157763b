"""The servers that tests run on: each worker has its own corner of them."""

import asyncpg
import pytest
import redis.asyncio

from titan.servers import Endpoints
from titan.servers.kafka import answers


@pytest.mark.real
async def test_each_worker_has_a_migrated_database_of_its_own(
    database_dsn: str, worker: str
) -> None:
    connection = await asyncpg.connect(database_dsn)
    try:
        name = await connection.fetchval("SELECT current_database()")
        migrations = await connection.fetchval("SELECT count(*) FROM schema_migrations")
    finally:
        await connection.close()

    assert name.endswith(f"_{worker}")
    assert migrations > 0


@pytest.mark.real
async def test_the_cache_and_the_broker_answer(endpoints: Endpoints, redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.ping()
    assert await answers(endpoints.kafka_bootstrap)
