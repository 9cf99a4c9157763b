"""Databases for the tests: one migrated template a run, copied for each worker."""

import asyncio
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from titan.migrate import migrate

# Any number: it keeps two workers from making the template at once.
_TEMPLATE_LOCK = 7_184_201
_CONNECT_TIMEOUT_S = 10.0
_COMMAND_TIMEOUT_S = 60.0


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def create_migrated_database(dsn: str, *, run: str, name: str) -> str:
    """Make the database `name` with the newest schema; its DSN. Drops one that is there."""
    template = f"{run}_template"
    connection = await _connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _TEMPLATE_LOCK)
        known = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", template)
        if known is None:
            await connection.execute(f"CREATE DATABASE {template}")
            try:
                await asyncio.to_thread(migrate, with_database(dsn, template))
            except BaseException:
                await connection.execute(f"DROP DATABASE {template} WITH (FORCE)")
                raise
        # Copied under the lock as well: a template that somebody else copies counts as in use.
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    finally:
        await connection.close()
    return with_database(dsn, name)


async def drop_databases(dsn: str, *, run: str) -> None:
    """Drop every database of this run, for a server that lives on."""
    connection = await _connect(dsn)
    try:
        names = await connection.fetch(
            "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", f"{run}_"
        )
        for (name,) in names:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


async def _connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        dsn, timeout=_CONNECT_TIMEOUT_S, command_timeout=_COMMAND_TIMEOUT_S
    )
