"""The database as replay may use it: as a role that can write in its own schemas only."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg

from domain.errors import Defect, Unavailable
from runtime import limits
from runtime.database import Connection, refused

ROLE: Final = "titan_replay"
"""Reads the living tables, writes in the schemas titan_replay and titan_replaced."""

SWAP_ROLE: Final = "titan_replay_swap"
"""May besides put rebuilt tables in place, through replay_hold() and replay_swap()."""

SCHEMAS: Final = ("titan_replay", "titan_replaced")

_PASSING: Final = frozenset({"08", "40", "53", "55", "57", "58"})
"""Classes of SQLSTATE that a later try may cure."""

_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('titan replay', 0))"

_POWERS: Final = """
    SELECT format('%I.%I', nspname, relname)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname <> ALL($1::text[])
      AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
      AND (has_table_privilege(pg_class.oid, 'DELETE')
           OR has_table_privilege(pg_class.oid, 'TRUNCATE')
           OR has_any_column_privilege(pg_class.oid, 'INSERT')
           OR has_any_column_privilege(pg_class.oid, 'UPDATE'))
    UNION ALL
    SELECT format('schema %I', nspname) FROM pg_namespace
    WHERE nspname <> ALL($1::text[]) AND nspname NOT LIKE 'pg\\_%'
      AND has_schema_privilege(oid, 'CREATE')
    ORDER BY 1 LIMIT 1
"""


@asynccontextmanager
async def connected(dsn: str, *, role: str = ROLE) -> AsyncIterator[Connection]:
    """A connection that works as `role`; Unavailable if the server or the role is not there.

    Refused is a place where the role could write into anything but its own schemas.
    """
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=limits.DATABASE_CONNECT_S_MAX,
            command_timeout=limits.REPLAY_STATEMENT_S_MAX,
            server_settings={
                "application_name": "titan-replay",
                # Not "$user": a rebuilt table must never be meant where the living one is named.
                "search_path": "public",
                "timezone": "UTC",
                "datestyle": "ISO, YMD",
                "jit": "off",
                "work_mem": "256MB",
                "maintenance_work_mem": "256MB",
            },
        )
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error
    try:
        with told():
            await _work_as(connection, role)
        yield connection
    finally:
        connection.terminate()


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong with the server in the block is Unavailable; what it refuses, a Defect."""
    try:
        yield
    except (asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error
    except asyncpg.PostgresError as error:
        if error.sqlstate[:2] in _PASSING:
            raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error
        raise refused(error) from None


async def be_alone(connection: Connection) -> None:
    """Keep other replays out while this connection lives: the rebuilt tables have one name each."""
    if not await connection.fetchval(_LOCK):
        raise Unavailable("another replay is at work on this database: let it end first")


async def _work_as(connection: Connection, role: str) -> None:
    try:
        await connection.execute(f"SET ROLE {role}")
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError) as error:
        raise Unavailable(f"the database has no role {role}: run `titan migrate`") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise Unavailable(
            f"this database user may not work as {role}: GRANT {role} to it"
        ) from error
    power = await connection.fetchval(_POWERS, list(SCHEMAS))
    if power is not None:
        raise Defect(f"the role {role} could write to {power}: revoke that first")
