"""One process per name: two members with one static id evict each other from the group for ever.

Kafka only warns of it. Here the name is a session lock in PostgreSQL, so the second process is
refused with a plain word, and a killed process gives its name back with its connection.
"""

from typing import Final

import asyncpg

from domain.errors import Invalid, Unavailable
from runtime import limits
from runtime.clock import Clock
from runtime.database import Connection

_RETRY_PAUSE_S: Final = 0.25


class InstanceLock:
    """Holds a process's name for as long as it is open.

    It does NOT notice that PostgreSQL restarted and dropped the lock: it guards against a
    deployment's mistake at start, and correctness does not rest on it.
    """

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    @classmethod
    async def take(cls, dsn: str, name: str, clock: Clock) -> "InstanceLock":
        """The lock; Invalid if another process keeps the name, Unavailable without a server.

        A predecessor that was just killed may still seem alive to the server, hence a short wait.
        """
        try:
            connection = await asyncpg.connect(
                dsn,
                timeout=limits.DATABASE_CONNECT_S_MAX,
                command_timeout=limits.DATABASE_COMMAND_S_MAX,
                server_settings={"application_name": "titan-instance"},
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error
        deadline_s = clock.monotonic_s() + limits.INSTANCE_WAIT_S_MAX
        while not await _try(connection, name):
            if clock.monotonic_s() >= deadline_s:
                await connection.close()
                raise Invalid(
                    "instance_taken",
                    f"another process runs as {name}: give each its own TITAN_INSTANCE_ID",
                )
            await clock.sleep(_RETRY_PAUSE_S)
        return cls(connection)

    async def release(self) -> None:
        """Give the name back."""
        self._connection.terminate()


async def _try(connection: Connection, name: str) -> bool:
    taken: bool = await connection.fetchval(
        "SELECT pg_try_advisory_lock(hashtextextended('titan instance ' || $1, 0))", name
    )
    return taken
