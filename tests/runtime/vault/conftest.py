"""Each contract of the vault runs on keys in memory and on keys in PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.runtime.vault.place import Place, open_place


@pytest.fixture
def place_dsn(request: pytest.FixtureRequest) -> str | None:
    """The database of the adapter that the parameter names; None for memory."""
    if request.param == "memory":
        return None
    assert request.param == "postgres"
    dsn: str = request.getfixturevalue("keys_dsn")
    return dsn


@pytest.fixture
async def place(place_dsn: str | None, tmp_path: Path) -> AsyncIterator[Place]:
    """The vault under test, without any key."""
    if place_dsn is not None:
        await empty(place_dsn)
    async with open_place(place_dsn, tmp_path) as place:
        yield place


async def empty(dsn: str) -> None:
    """Take all keys out of a database."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("TRUNCATE titan_keys.data_keys, titan_keys.keks, forgotten_people")
    finally:
        await connection.close()
