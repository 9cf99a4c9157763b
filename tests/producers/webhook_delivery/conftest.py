"""The pool over a database of the worker's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from runtime.database import Database
from runtime.settings import Settings
from tests.producers.webhook_delivery.place import Place


@pytest.fixture
async def place(database_dsn: str, tmp_path: Path) -> AsyncIterator[Place]:
    settings = Settings(
        postgres_dsn=SecretStr(database_dsn),
        vault_key=SecretStr("A" * 43 + "="),
        data_directory=tmp_path,
    )
    database = await Database.connect(database_dsn, name="tests")
    # What other tests left due is not this one's to send.
    async with database.connection() as connection:
        await connection.execute("DELETE FROM webhook_endpoints")
    yield Place(settings, database)
    await database.close()
