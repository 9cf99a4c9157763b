"""What the commands of `titan auth` share: one transaction each, and a table or JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from producers.auth.events import Act
from runtime.database import Connection
from titan.terminal import say, say_json, say_table
from titan.vault_place import VaultPlace, open_vault

Result = TypeVar("Result")

Run = Callable[[VaultPlace, Connection, Act], Awaitable[Result]]


def act_once(run: Run[Result]) -> Result:
    """Do something in one transaction; a running edge publishes what it told the outbox."""
    return asyncio.run(_acted(run))


def show_rows(columns: list[str], rows: list[list[str]], *, as_json: bool) -> None:
    """A table, or a list of JSON objects."""
    if as_json:
        say_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        say_table(columns, rows)
    else:
        say("none yet")


def time_text(at: datetime | None) -> str:
    """To the second; nothing if there is none."""
    return "" if at is None else at.isoformat(timespec="seconds")


async def _acted(run: Run[Result]) -> Result:
    async with open_vault() as place:
        act = Act(place.clock.random_id(), place.clock.now())
        async with place.database.connection() as connection, connection.transaction():
            return await run(place, connection, act)
