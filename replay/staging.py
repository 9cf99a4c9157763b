"""Rebuilt tables in the schema titan_replay: made like the living, filled from staged rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID

from replay.database import connected
from replay.tables import Row, Table
from replay.together import all_of
from runtime.database import Connection

SCHEMA: Final = "titan_replay"

_MIDDLE: Final = 2**127
_HALVES: Final = (
    (UUID(int=0), UUID(int=_MIDDLE - 1)),
    (UUID(int=_MIDDLE), UUID(int=2**128 - 1)),
)
"""Payment ids are drawn evenly from all there are: two merges share the work."""


async def make_tables(connection: Connection, tables: Iterable[Table], *, is_kept: bool) -> None:
    """Make the rebuilt and the staged tables anew, empty.

    Unlogged, so that they cost little and are gone after a crash; `is_kept` makes rebuilt tables
    that may take the place of living ones, with their storage options.
    """
    for table in tables:
        for name in (f"{table.name}_staged", table.name):
            await connection.execute(f"DROP TABLE IF EXISTS titan_replay.{name}")
        await connection.execute(f"DROP TABLE IF EXISTS titan_replaced.{table.name}")
        await connection.execute(
            f"CREATE UNLOGGED TABLE titan_replay.{table.name}"
            f" (LIKE public.{table.name} INCLUDING ALL EXCLUDING INDEXES)"
        )
        await connection.execute(
            table.sql(
                "CREATE UNLOGGED TABLE titan_replay.{name}_staged AS"
                " SELECT {columns} FROM public.{name} WITH NO DATA"
            )
        )
        if table.extra:
            await connection.execute(
                f"ALTER TABLE titan_replay.{table.name}_staged ADD {table.extra} bigint"
            )
        if is_kept:
            await _set_options(connection, table)
        await connection.execute(
            table.sql(
                "ALTER TABLE titan_replay.{name} ADD CONSTRAINT {name}_pkey PRIMARY KEY ({key})"
            )
        )


async def _set_options(connection: Connection, table: Table) -> None:
    options = await connection.fetchval(
        "SELECT reloptions FROM pg_class WHERE oid = $1::regclass", f"public.{table.name}"
    )
    if options:
        listed = ", ".join(options)
        await connection.execute(f"ALTER TABLE titan_replay.{table.name} SET ({listed})")


async def copy_staged(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Copy rows as they were read; `merge_staged` brings them into the table."""
    await connection.copy_records_to_table(
        f"{table.name}_staged", records=rows, columns=table.staged_columns, schema_name=SCHEMA
    )


async def merge_staged(connection: Connection, tables: Iterable[Table], *, dsn: str | None) -> None:
    """Fold what is staged into the rebuilt tables, and leave nothing staged.

    With a DSN, halves of a large merge run at once on connections of their own; without, all of it
    belongs to the caller's transaction.
    """
    for table in tables:
        folded: list[Row] = []
        if table.contested is not None:
            keys = [record[0] for record in await connection.fetch(table.contested)]
            folded = await _folded(connection, table, keys) if keys else []
        if not table.is_halved:
            await connection.execute(table.merge)
        elif dsn is None:
            await connection.execute(table.merge, _HALVES[0][0], _HALVES[1][1])
        else:
            await _merge_halves(dsn, table)
        await replace_rows(connection, table, folded)
        await connection.execute(table.sql("TRUNCATE titan_replay.{name}_staged"))


async def _merge_halves(dsn: str, table: Table) -> None:
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(dsn)) for _ in _HALVES]
        await all_of(
            connection.execute(table.merge, *half)
            for connection, half in zip(connections, _HALVES, strict=True)
        )


async def _folded(connection: Connection, table: Table, keys: Sequence[Any]) -> list[Row]:
    """The rows of these keys, folded in code from what is known and what is staged."""
    known = await connection.fetch(
        table.sql("SELECT {columns} FROM titan_replay.{name} WHERE {key} = ANY($1)"), keys
    )
    staged = await connection.fetch(
        table.sql("SELECT {columns} FROM titan_replay.{name}_staged WHERE {key} = ANY($1)"), keys
    )
    rows: dict[Any, Row] = {}
    for record in (*known, *staged):
        row = tuple(record)
        rows[row[0]] = table.join(rows[row[0]], row) if row[0] in rows else row
    return list(rows.values())


async def replace_rows(connection: Connection, table: Table, rows: Collection[Row]) -> None:
    """Put these rows in the place of what the rebuilt table has under their keys."""
    if not rows:
        return
    await connection.execute(
        table.sql("DELETE FROM titan_replay.{name} WHERE {key} = ANY($1)"), [row[0] for row in rows]
    )
    await connection.copy_records_to_table(
        table.name, records=rows, columns=table.columns, schema_name=SCHEMA
    )


class Chunk:
    """Rows that a reader has gathered, folded as far as they met; bounded by the caller."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables
        self._rows: dict[int, dict[Any, Row]] = defaultdict(dict)
        self.count = 0

    def add(self, number: int, row: Row) -> None:
        """Take a row of the table of this number, after those before it in the log."""
        rows = self._rows[number]
        known = rows.get(row[0])
        if known is None:
            self.count += 1
            rows[row[0]] = row
        else:
            rows[row[0]] = self._tables[number].join(known, row)

    async def copy_out(self, connection: Connection) -> None:
        """Copy all of it to the staged tables, and be empty."""
        for number, rows in self._rows.items():
            await copy_staged(connection, self._tables[number], rows.values())
        self._rows.clear()
        self.count = 0
