"""What other tables keep of a person ends with the person, in the same transaction."""

from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from runtime.vault import Binding
from tests.runtime.vault.conftest import empty
from tests.runtime.vault.place import Place, open_place

pytestmark = pytest.mark.real

ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
BOB = UUID("b0b00000-0000-4000-8000-000000000002")


async def test_blind_indexes_and_rows_that_were_declared_go_with_the_key(
    keys_dsn: str, tmp_path: Path
) -> None:
    await empty(keys_dsn)
    table = f"trace_{uuid4().hex[:8]}"
    owner = await asyncpg.connect(keys_dsn)
    try:
        await owner.execute(f"CREATE TABLE {table} (person uuid, email_index text)")
        await owner.execute(f"CREATE TABLE {table}_rows (person uuid)")
        await owner.execute(
            "SELECT titan_keys.declare_trace($1, 'person', 'email_index'), "
            "titan_keys.declare_trace($1 || '_rows', 'person', NULL)",
            table,
        )
        for person in (ALICE, BOB):
            await owner.execute(f"INSERT INTO {table} VALUES ($1, 'index')", person)
            await owner.execute(f"INSERT INTO {table}_rows VALUES ($1)", person)
        async with open_place(keys_dsn, tmp_path) as place:
            await place.vault.seal_for(ALICE, [(Binding("t", "c", "r", ALICE), "text")])
            with pytest.raises(ZeroDivisionError):
                await fail_after_forgetting(place)
            assert await owner.fetchval("SELECT count(*) FROM titan_keys.data_keys") == 1
            await place.forget(ALICE)

        rows = await owner.fetch(f"SELECT person, email_index FROM {table}")
        assert {tuple(row) for row in rows} == {(ALICE, None), (BOB, "index")}
        assert await owner.fetchval(f"SELECT array_agg(person) FROM {table}_rows") == [BOB]
        assert await owner.fetchval("SELECT count(*) FROM titan_keys.data_keys") == 0
    finally:
        await owner.execute(f"DROP TABLE {table}, {table}_rows")
        await owner.execute("DELETE FROM titan_keys.traces WHERE relation LIKE 'trace_%'")
        await owner.close()


async def fail_after_forgetting(place: Place) -> None:
    """A caller's transaction that does not commit."""
    assert place.database is not None
    async with place.database.connection() as connection, connection.transaction():
        await place.vault.forget(connection, ALICE)
        raise ZeroDivisionError


async def test_no_process_can_delete_a_key_or_a_tombstone_by_itself(
    keys_dsn: str,
) -> None:
    connection = await asyncpg.connect(keys_dsn)
    try:
        await connection.execute("SET ROLE titan_app")
        for statement in (
            "DELETE FROM titan_keys.data_keys",
            "DELETE FROM forgotten_people",
            "INSERT INTO forgotten_people VALUES (gen_random_uuid(), now())",
            "INSERT INTO titan_keys.traces VALUES ('payments', 'client_id', NULL)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
