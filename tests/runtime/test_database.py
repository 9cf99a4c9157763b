"""What goes wrong with PostgreSQL: what a later try cures, and what is told of the rest."""

import asyncio
import time
import traceback
from typing import Final
from uuid import uuid4

import asyncpg
import pytest
import structlog

from domain.errors import Defect, TitanError, Unavailable
from runtime.database import Database
from runtime.settings import Settings
from runtime.telemetry import configure_logging

pytestmark = pytest.mark.real

ARRIVAL_S = 0.2


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_that_the_server_has_ended_is_unavailable_and_then_replaced(
    database_dsn: str, turns: int
) -> None:
    """After a few turns of the loop the driver has read why it was ended, but not yet the end."""
    database = await Database.connect(database_dsn, name="test", size=1)
    server = await asyncpg.connect(database_dsn)
    try:
        async with database.connection() as connection:
            process_id = await connection.fetchval("SELECT pg_backend_pid()")
        await server.execute("SELECT pg_terminate_backend($1)", process_id)
        # Both must wait in the socket before the loop turns again, so this stops the loop as well.
        time.sleep(ARRIVAL_S)  # noqa: ASYNC251
        for _ in range(turns):
            await asyncio.sleep(0)

        try:
            found = await one(database)
        except Unavailable:
            found = await one(database)

        assert found == 1
    finally:
        await server.close()
        await database.close()


CANARY: Final = "canary-of-a-row"
REFUSED: Final[dict[str, tuple[type[TitanError], str, str]]] = {
    "check": (
        Defect,
        "CheckViolationError, people, people_tier_check",
        "INSERT INTO people (person_id, tier, created_at) VALUES ($1, '{}', now())",
    ),
    "not_null": (
        Defect,
        "NotNullViolationError, people, created_at",
        "INSERT INTO people (person_id, legal_name_sealed) VALUES ($1, '{}')",
    ),
    "foreign_key": (
        Defect,
        "ForeignKeyViolationError, auth_credentials, auth_credentials_client_id_fkey",
        """
        INSERT INTO auth_credentials
            (credential_id, client_id, kind, prefix, secret_hash, scopes, created_at)
        VALUES ($1, '{}', 'secret', '', sha256('x'), '{{}}', now())
        """,
    ),
    "unique": (
        Unavailable,
        "UniqueViolationError",
        """
        INSERT INTO auth_clients SELECT 'client:{}', '{{}}'::text[], now() FROM
            generate_series(1, 2) WHERE $1::uuid IS NOT NULL
        """,
    ),
    "argument": (
        Defect,
        "InvalidTextRepresentationError",
        "SELECT $1::uuid, '{}'::text::integer",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_names_the_rule_and_quotes_no_value_of_the_row(
    database_dsn: str, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, said, statement = REFUSED[case]
    configure_logging(Settings())
    database = await Database.connect(database_dsn, name="test", size=1)
    try:
        with pytest.raises(kind, match=said) as caught:
            async with database.connection() as connection, connection.transaction():
                await connection.execute(statement.format(CANARY), uuid4())
    finally:
        await database.close()

    structlog.get_logger().error("defect", exc_info=caught.value)

    # What a log, a trace and a crash print.
    printed = [capsys.readouterr().err, *traceback.format_exception(caught.value)]
    assert "defect" in printed[0]
    assert CANARY not in "".join(printed)


async def test_what_cannot_even_be_sent_is_not_quoted_either(database_dsn: str) -> None:
    database = await Database.connect(database_dsn, name="test", size=1)
    try:
        with pytest.raises(TitanError) as caught:
            async with database.connection() as connection:
                await connection.execute("SELECT $1::integer", CANARY)
    finally:
        await database.close()

    assert CANARY not in "".join(traceback.format_exception(caught.value))


async def one(database: Database) -> int:
    async with database.connection() as connection, connection.transaction():
        answer: int = await connection.fetchval("SELECT 1")
        return answer
