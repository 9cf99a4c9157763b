"""What a swap leaves behind is what was there before, but for the rows."""

from typing import Any

import pytest

from replay.database import SWAP_ROLE, connected
from tests.replay.people import conflict, life
from tests.replay.place import TABLES, Place

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

# Asked in other words than the swap's own check.
CATALOGUES = {
    "relation": """
        SELECT relkind, relpersistence, relam, relreplident, relowner::regrole, reloptions,
               relrowsecurity, relhastriggers, obj_description(oid, 'pg_class'),
               (SELECT array_agg(entry::text ORDER BY entry::text) FROM unnest(relacl) AS entry)
        FROM pg_class WHERE oid = $1::text::regclass""",
    "columns": """
        SELECT ordinal_position, column_name, data_type, udt_name, is_nullable, column_default,
               collation_name, is_generated, generation_expression, is_identity
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1
        ORDER BY ordinal_position""",
    "column privileges": """
        SELECT attname, (SELECT array_agg(e::text ORDER BY e::text) FROM unnest(attacl) AS e)
        FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 ORDER BY attnum""",
    "privileges": """
        SELECT grantee, privilege_type, is_grantable FROM information_schema.role_table_grants
        WHERE table_schema = 'public' AND table_name = $1 ORDER BY 1, 2, 3""",
    "indexes": """
        SELECT indexname, indexdef, tablespace FROM pg_indexes
        WHERE schemaname = 'public' AND tablename = $1 ORDER BY indexname""",
    "index owners": """
        SELECT relname, relowner::regrole, reloptions
        FROM pg_class JOIN pg_index ON oid = indexrelid
        WHERE indrelid = $1::text::regclass ORDER BY relname""",
    "constraints": """
        SELECT conname, contype, convalidated, connoinherit, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE conrelid = $1::text::regclass ORDER BY conname""",
    "triggers": """
        SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger
        WHERE tgrelid = $1::text::regclass AND NOT tgisinternal ORDER BY tgname""",
}


async def catalogues(place: Place) -> dict[tuple[str, str], list[tuple[Any, ...]]]:
    return {
        (table, what): [tuple(row) for row in await place.owner.fetch(query, table)]
        for table in TABLES
        for what, query in CATALOGUES.items()
    }


async def test_the_catalogues_are_equal_before_and_after(place: Place) -> None:
    """With all that a read model may have: triggers, privileges of every kind, a comment."""
    for statement in (
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER zeal AFTER INSERT ON accounts EXECUTE FUNCTION noted()",
        (
            "CREATE TRIGGER zest AFTER UPDATE ON payments FOR EACH ROW"
            " WHEN (OLD.posted_at IS NULL) EXECUTE FUNCTION noted()"
        ),
        "ALTER TABLE payments DISABLE TRIGGER zest",
        "GRANT SELECT ON payments TO PUBLIC",
        "GRANT DELETE ON payments TO titan_app WITH GRANT OPTION",
        "GRANT SELECT (handle) ON directory_handles TO PUBLIC",
        "GRANT INSERT (version) ON directory_handles TO titan_app WITH GRANT OPTION",
        "COMMENT ON TABLE payments IS 'what''s paid'",
        "COMMENT ON COLUMN payments.posted_at IS 'the end'",
        "CREATE INDEX \"by Tier\" ON accounts (tier DESC NULLS LAST) WHERE tier <> 'system'",
    ):
        await place.owner.execute(statement)
    before = await catalogues(place)

    assert (await place.titan("replay", "--projection", "all", "--swap"))[0] == 0

    assert await catalogues(place) == before
    assert all(before[table, "columns"] and before[table, "privileges"] for table in TABLES)


async def test_the_former_table_is_kept_until_the_next_replay(place: Place) -> None:
    await place.owner.execute("INSERT INTO payments (payment_id) VALUES (gen_random_uuid())")
    former = await place.rows("payments")
    assert (await place.replay("payments", "--swap"))[0] == 0

    assert await place.rows("titan_replaced.payments") == former
    assert len(await place.rows("payments")) == len(former) - 1
    assert (await place.replay("payments"))[0] == 0
    assert await place.owner.fetchval("SELECT to_regclass('titan_replaced.payments')") is None


@pytest.mark.parametrize(
    ("given", "taken", "said"),
    [
        ("CREATE VIEW seen AS SELECT * FROM payments", "DROP VIEW seen", "a view"),
        (
            "CREATE RULE mute AS ON DELETE TO payments DO INSTEAD NOTHING",
            "DROP RULE mute ON payments",
            "a rule",
        ),
        (
            "CREATE POLICY mine ON payments USING (true)",
            "DROP POLICY mine ON payments",
            "a policy",
        ),
        (
            "CREATE TABLE told (id uuid REFERENCES payments)",
            "DROP TABLE told",
            "a foreign key",
        ),
    ],
)
async def test_what_a_swap_would_lose_it_refuses(
    place: Place, given: str, taken: str, said: str
) -> None:
    await place.owner.execute(given)
    try:
        async with connected(place.dsn, role=SWAP_ROLE) as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS titan_replay.payments ()")
            with pytest.raises(Exception, match=said):
                await connection.execute("SELECT replay_swap('payments')")
        code, _ = await place.replay("payments", "--swap")
    finally:
        await place.owner.execute(taken)

    assert code == 1
    assert (await place.replay("payments"))[0] == 0


@pytest.mark.parametrize(
    "planted",
    [
        "ALTER TABLE titan_replay.payments ADD extra int",
        "ALTER TABLE titan_replay.payments ADD CHECK (amount_minor > 7)",
        "CREATE INDEX sly ON titan_replay.payments (posting_id)",
        "ALTER TABLE titan_replay.payments SET UNLOGGED",
        "ALTER TABLE titan_replay.payments SET (fillfactor = 90)",
        "GRANT UPDATE ON titan_replay.payments TO titan_replay_swap",
        "GRANT UPDATE (amount_minor) ON titan_replay.payments TO PUBLIC",
    ],
)
async def test_a_table_that_is_made_otherwise_is_not_let_in(place: Place, planted: str) -> None:
    """Whoever has the role could make anything and call it rebuilt."""
    async with connected(place.dsn, role=SWAP_ROLE) as connection, connection.transaction():
        await connection.execute("DROP TABLE IF EXISTS titan_replay.payments")
        await connection.execute(
            "CREATE TABLE titan_replay.payments (LIKE public.payments INCLUDING ALL)"
        )
        await connection.execute("ALTER TABLE titan_replay.payments SET (fillfactor = 50)")
        for index, name in (
            ("payments_client_id_accepted_at_idx", "payments_by_client"),
            ("payments_client_id_from_handle_accepted_at_idx", "payments_by_payer"),
            ("payments_client_id_to_handle_accepted_at_idx", "payments_by_payee"),
        ):
            await connection.execute(f"ALTER INDEX titan_replay.{index} RENAME TO {name}")
        probe = connection.transaction()
        await probe.start()
        await connection.execute("SELECT replay_swap('payments')")
        await probe.rollback()

        await connection.execute(planted)
        with pytest.raises(Exception, match="not made as the living one"):
            await connection.execute("SELECT replay_swap('payments')")


@pytest.mark.parametrize("name", ["risk_payers", "ledger_accounts", "payments; DROP TABLE x", ""])
async def test_only_a_projection_can_be_swapped(place: Place, name: str) -> None:
    async with connected(place.dsn, role=SWAP_ROLE) as connection:
        with pytest.raises(Exception, match="null"):
            await connection.execute("SELECT replay_swap($1)", name)


async def test_after_a_swap_the_stage_goes_on_with_the_new_table(place: Place) -> None:
    """On the same connection, with the same prepared statements."""
    async with place.living("payment_projection"):
        await place.tell(*life(1), *conflict(2))
        await place.until_done("payment_projection")
        assert (await place.replay("payments", "--swap"))[0] == 0
        await place.tell(*life(3), *conflict(4))
        await place.until_done("payment_projection")
        code, found = await place.replay("payments")

    assert (code, found["tables"][0]["rows"]) == (0, len(await place.rows("payments")))
    assert found["tables"][0]["rows"] >= 4
