"""The proof's connection to the database: it can read, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from domain.errors import Unavailable
from proof.limits import CONNECT_S_MAX, COPY_S_MAX
from runtime import limits
from runtime.database import Connection

ROLE: Final = "titan_proof"
"""The role that a proof works as (migrations/): SELECT on what is proven, and nothing else."""

_SETTINGS: Final = {
    "application_name": "titan-prove",
    "default_transaction_read_only": "on",
    "statement_timeout": str(int(COPY_S_MAX * 1000)),
    "lock_timeout": str(limits.DATABASE_LOCK_MS_MAX),
    "idle_in_transaction_session_timeout": str(limits.DATABASE_IDLE_IN_TRANSACTION_MS_MAX),
    "timezone": "UTC",
    "jit": "off",
    # One core of the server at most: payments go on beside.
    "max_parallel_workers_per_gather": "0",
    "work_mem": "64MB",
}


@asynccontextmanager
async def reading_connection(dsn: str) -> AsyncIterator[Connection]:
    """A connection that can only read; what goes wrong with the server is Unavailable."""
    try:
        connection = await asyncpg.connect(
            dsn, timeout=CONNECT_S_MAX, command_timeout=COPY_S_MAX, server_settings=_SETTINGS
        )
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise Unavailable(f"PostgreSQL does not answer ({type(error).__name__})") from error
    try:
        await connection.execute(f"SET ROLE {ROLE}")
        yield connection
    except (asyncpg.InvalidParameterValueError, asyncpg.UndefinedTableError) as error:
        raise Unavailable(
            "the database has not this version's schema: run `titan migrate`"
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error
    finally:
        # Not a polite goodbye: after an interrupt a COPY may still be running.
        connection.terminate()
