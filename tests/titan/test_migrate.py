"""Migrations are applied once, whoever asks and however often."""

import asyncio

import pytest

from titan.migrate import MigrationError, migrate
from titan.servers.ports import free_port


@pytest.mark.real
async def test_a_migrated_database_has_nothing_left_to_apply(database_dsn: str) -> None:
    counts = await asyncio.gather(*(asyncio.to_thread(migrate, database_dsn) for _ in range(2)))

    assert counts == [0, 0]


def test_a_database_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(MigrationError) as caught:
        migrate(f"postgresql://titan@127.0.0.1:{free_port()}/titan")

    assert "could not be migrated" in str(caught.value)
    assert "\n" not in str(caught.value)
