"""Put rebuilt tables in the place of the living ones, while those are in use.

The rebuilt tables are brought as near to the end of the log as may be. Then nobody can write to the
living ones for a moment; in it the rest of the log, and what a stage has decided and not published
yet, are joined to the rebuilt ones, and they change places, all in one transaction. Whoever waited
goes on with the new table. What is not in the log is gone afterwards: the former tables are kept in
the schema titan_replaced until the next replay.
"""

import asyncio

import asyncpg

from domain.errors import Unavailable
from replay.database import SWAP_ROLE, connected, told
from replay.rebuild import Rebuild
from replay.staging import replace_rows
from replay.tables import Table
from replay.tail import Tail, joined, tail_of
from replay.vector import later, places_of, record_count
from runtime import limits
from runtime.clock import Clock
from runtime.database import Connection


async def swap(rebuild: Rebuild, *, clock: Clock) -> float:
    """Swap all tables of the projection at once; the seconds for which writers had to wait."""
    with told():
        await _make_fit(rebuild)
        async with connected(rebuild.location.dsn, role=SWAP_ROLE) as connection:
            for _ in range(limits.REPLAY_HOLDS_MAX):
                await _catch_up(rebuild)
                began_s = clock.monotonic_s()
                if await _swapped(rebuild, connection):
                    return clock.monotonic_s() - began_s
                await clock.sleep(clock.jitter(limits.REPLAY_HOLD_PAUSE_S))
    raise Unavailable("the living table is never free for long enough: try again when less comes")


async def _make_fit(rebuild: Rebuild) -> None:
    """Logged, with all indexes of the living tables, and with fresh statistics."""
    connection = rebuild.connection
    for table in rebuild.projection.tables:
        await connection.execute(f"ALTER TABLE titan_replay.{table.name} SET LOGGED")
        definitions = await connection.fetch(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = $1::regclass AND NOT indisprimary",
            f"public.{table.name}",
        )
        for (definition,) in definitions:
            # A name is one of its schema: the index may be called as the living one is.
            here, there = f" ON public.{table.name} ", f" ON titan_replay.{table.name} "
            await connection.execute(definition.replace(here, there, 1))
        await connection.execute(f"VACUUM (ANALYZE) titan_replay.{table.name}")


async def _catch_up(rebuild: Rebuild) -> None:
    for _ in range(limits.REPLAY_CATCH_UPS_MAX):
        end = await rebuild.source.end(places_of(rebuild.projection.topics))
        gap = record_count(rebuild.vector, end)
        await rebuild.go_on(later(end, rebuild.vector))
        if gap <= limits.REPLAY_GAP_RECORDS:
            return


async def _swapped(rebuild: Rebuild, connection: Connection) -> bool:
    """One try; False if somebody else held a table for too long, or the rest took too long."""
    name = rebuild.projection.name.value
    wait = f"SET LOCAL lock_timeout = '{limits.REPLAY_HOLD_LOCK_MS_MAX}ms'"
    try:
        async with asyncio.timeout(limits.REPLAY_HOLD_S_MAX), connection.transaction():
            await connection.execute(wait)
            await connection.execute("SELECT public.replay_hold($1)", name)
            await _join(rebuild, connection, await tail_of(rebuild, connection))
            await connection.execute("SELECT public.replay_swap($1)", name)
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, TimeoutError):
        return False
    return True


async def _join(rebuild: Rebuild, connection: Connection, tail: Tail) -> None:
    for table, rows in zip(rebuild.projection.tables, tail, strict=True):
        known = await connection.fetch(_known(table), list(rows)) if rows else []
        base = {record[0]: tuple(record) for record in known}
        new = [joined(table, base.get(key), more) for key, more in rows.items()]
        await replace_rows(connection, table, [row for row in new if row is not None])


def _known(table: Table) -> str:
    return table.sql("SELECT {columns} FROM titan_replay.{name} WHERE {key} = ANY($1)")
