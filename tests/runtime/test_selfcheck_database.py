"""The start-up check against a real PostgreSQL."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.errors import Invalid
from runtime.database import Database
from runtime.selfcheck import database_findings, demand_fit
from runtime.settings import Profile, Settings

pytestmark = pytest.mark.real

DEMO = Settings()
PRODUCTION = Settings(profile=Profile.PRODUCTION, instance_id="posting-0")


@pytest.fixture
async def owner(database_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_dsn, timeout=10)
    yield connection
    await connection.close()


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.connect(database_dsn, name="selfcheck")
    yield opened
    await opened.close()


async def test_the_migrated_database_is_fit(database: Database) -> None:
    assert await database_findings(database, settings=PRODUCTION) == []


async def test_a_server_that_may_forget_is_said_in_a_demo_and_refused_in_production(
    database_dsn: str,
) -> None:
    forgetful = f"{database_dsn}{'&' if '?' in database_dsn else '?'}synchronous_commit=off"
    database = await Database.connect(forgetful, name="selfcheck")
    try:
        [said] = demand_fit(await database_findings(database, settings=DEMO))
        assert "PostgreSQL has synchronous_commit=off" in said
        with pytest.raises(Invalid, match="synchronous_commit=off"):
            demand_fit(await database_findings(database, settings=PRODUCTION))
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("grant", "told"),
    [
        ("UPDATE (amount_minor) ON ledger_entries", "may UPDATE ledger_entries"),
        ("DELETE ON ledger_postings", "may DELETE ledger_postings"),
        ("TRUNCATE ON ledger_entries", "may TRUNCATE ledger_entries"),
    ],
)
async def test_a_role_that_could_falsify_the_ledger_is_refused_everywhere(
    database: Database,
    owner: "asyncpg.Connection[asyncpg.Record]",
    grant: str,
    told: str,
) -> None:
    await owner.execute(f"GRANT {grant} TO titan_app")
    try:
        with pytest.raises(Invalid, match=told):
            demand_fit(await database_findings(database, settings=DEMO))
    finally:
        await owner.execute(f"REVOKE {grant} FROM titan_app")


async def test_a_database_without_its_tables_is_refused(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await owner.execute("ALTER TABLE ledger_entries RENAME TO entries_elsewhere")
    try:
        with pytest.raises(Invalid, match="table ledger_entries is missing"):
            demand_fit(await database_findings(database, settings=DEMO))
    finally:
        await owner.execute("ALTER TABLE entries_elsewhere RENAME TO ledger_entries")
