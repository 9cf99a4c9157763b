"""PostgreSQL: one pool per process part, with a bound on every wait, and one error for "down"."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg

from domain.errors import Defect, Unavailable
from runtime import limits

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

APPLICATION_ROLE: Final = "titan_app"
"""The role every process works as: it cannot edit or delete history."""

_DOWN: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What the driver says of a connection that the server has just ended, until it sees the end.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
    # The whole unit is tried again on these two; the loser of a race reads the winner's outcome.
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
    OSError,
    TimeoutError,
)


class Database:
    """A bounded pool. Every error that a later try may cure becomes Unavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    async def connect(cls, dsn: str, *, name: str, size: int | None = None) -> "Database":
        """Open a pool; Unavailable if the server does not answer.

        Connections are opened when first used, so a server that is down at start is met by the
        same retries as one that goes down later.
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=0,
                max_size=size or limits.DATABASE_POOL_SIZE_MAX,
                timeout=limits.DATABASE_CONNECT_S_MAX,
                command_timeout=limits.DATABASE_COMMAND_S_MAX,
                max_inactive_connection_lifetime=300.0,
                init=_work_as_application,
                reset=_leave_as_it_is,
                server_settings={
                    "application_name": f"titan-{name}",
                    "statement_timeout": str(limits.DATABASE_STATEMENT_MS_MAX),
                    "lock_timeout": str(limits.DATABASE_LOCK_MS_MAX),
                    "idle_in_transaction_session_timeout": str(
                        limits.DATABASE_IDLE_IN_TRANSACTION_MS_MAX
                    ),
                    "timezone": "UTC",
                    "jit": "off",
                },
            )
        except _DOWN as error:
            raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error
        return cls(pool)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for the block; what goes wrong with the server is Unavailable.

        A broken connection is not handed out again: the pool drops it.
        """
        try:
            async with self._pool.acquire(timeout=limits.DATABASE_ACQUIRE_S_MAX) as connection:
                yield connection
        except _DOWN as error:
            # What is refused for a row's sake comes with the row's values, in the driver's words.
            cause = None if isinstance(error, asyncpg.PostgresError) else error
            raise Unavailable(f"PostgreSQL: {type(error).__name__}") from cause
        except asyncpg.PostgresError as error:
            raise refused(error) from None

    async def close(self) -> None:
        """Give connections up; those still busy are cut."""
        self._pool.terminate()


def refused(error: asyncpg.PostgresError) -> Defect:
    """What PostgreSQL will refuse again; raise it `from None`.

    The driver's own words, which a log prints of a cause, quote the values of rows.
    """
    names = (type(error).__name__, error.table_name, error.column_name, error.constraint_name)
    said = ", ".join(name for name in names if name is not None)
    return Defect(f"PostgreSQL refused with {error.sqlstate}: {said}")


async def _leave_as_it_is(_connection: Connection) -> None:
    """Skip the driver's RESET on release, a round trip a batch: nothing here sets session state.

    An open transaction is rolled back by the driver all the same, before this is called.
    """


async def _work_as_application(connection: Connection) -> None:
    await connection.execute(f"SET ROLE {APPLICATION_ROLE}")
