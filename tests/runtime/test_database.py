"""A server that ends connections: whatever the driver calls it, a later try cures it."""

import asyncio
import time

import asyncpg
import pytest

from domain.errors import Unavailable
from runtime.database import Database

pytestmark = pytest.mark.real

ARRIVAL_S = 0.2


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_that_the_server_has_ended_is_unavailable_and_then_replaced(
    database_dsn: str, turns: int
) -> None:
    """After a few turns of the loop the driver has read why it was ended, but not yet the end."""
    database = await Database.connect(database_dsn, name="test", size=1)
    server = await asyncpg.connect(database_dsn)
    try:
        async with database.connection() as connection:
            process_id = await connection.fetchval("SELECT pg_backend_pid()")
        await server.execute("SELECT pg_terminate_backend($1)", process_id)
        # Both must wait in the socket before the loop turns again, so this stops the loop as well.
        time.sleep(ARRIVAL_S)  # noqa: ASYNC251
        for _ in range(turns):
            await asyncio.sleep(0)

        try:
            found = await one(database)
        except Unavailable:
            found = await one(database)

        assert found == 1
    finally:
        await server.close()
        await database.close()


async def one(database: Database) -> int:
    async with database.connection() as connection, connection.transaction():
        answer: int = await connection.fetchval("SELECT 1")
        return answer
