"""A replay publishes nothing, calls nothing, commits nothing and writes in its own schemas only.

Each promise is a test that fails if it is broken: by asking the broker and the database, and by
trying.
"""

import ast
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import pytest

from domain.errors import Defect, Unavailable
from replay.database import ROLE, SCHEMAS, SWAP_ROLE, be_alone, connected
from schemas.payment import PaymentPosted
from tests.replay.people import life
from tests.replay.place import TABLES, Place

REPLAY = Path(__file__).parents[2] / "replay"
LIMITS = Path(__file__).parents[2] / "limits.yaml"
real = pytest.mark.real
pytestmark = pytest.mark.timeout(120)

FOREIGN = "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace"
FOREIGN_TABLES = f"{FOREIGN} = 'public'::regnamespace AND NOT relispartition"


@real
async def test_no_command_of_replay_moves_the_log_a_group_or_a_table(
    place: Place, tmp_path: Path
) -> None:
    one = life(1)
    await place.tell(*one)
    async with place.living("payment_projection"):
        await place.until_done("payment_projection")
    ends, groups = await place.ends(), await place.groups()
    committed = {group: await place.committed(group.removeprefix(place.prefix)) for group in groups}
    written = await place.owner.fetch(WRITES)

    now = "2100-01-01T00:00:00Z"
    for command in (
        ["replay", "--projection", "all"],
        ["replay", "--projection", "payments", "--at", now],
        ["replay", "--projection", "payments", "--until-offset", f"{PaymentPosted.TOPIC}:0:0"],
        ["archive", str(tmp_path / "kept")],
        ["archive", str(tmp_path / "kept"), "--verify"],
        ["replay", "--projection", "payments", "--from-archive", str(tmp_path / "kept")],
        ["at", now, "payment", str(one[0].payment_id)],
        ["shadow", "--stage", "risk_screening", "--limits", str(LIMITS)],
    ):
        code, said = await place.titan(*command)
        assert code == 0, said

    assert await place.owner.fetch(WRITES) == written
    code, said = await place.replay("payments", "--swap")
    assert code == 0, said

    assert await place.ends() == ends
    assert await place.groups() == groups
    for group, before in committed.items():
        assert await place.committed(group.removeprefix(place.prefix)) == before
    # The swapped table is another one, of which nothing has been counted yet.
    assert others(await place.owner.fetch(WRITES)) == others(written)


def others(writes: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    return [row for row in writes if row["relname"] != "payments"]


WRITES = """
    SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_all_tables
    WHERE schemaname = 'public' AND pg_stat_force_next_flush() IS NOT NULL ORDER BY relname
"""


@real
@pytest.mark.parametrize("role", [ROLE, SWAP_ROLE])
async def test_its_roles_can_write_to_no_table_but_their_own(place: Place, role: str) -> None:
    tables = [f"public.{name}" for (name,) in await place.owner.fetch(FOREIGN_TABLES)]
    assert {f"public.{name}" for name in TABLES} < set(tables)
    async with connected(place.dsn, role=role) as connection:
        for table in tables:
            for attempt in (
                f"INSERT INTO {table} DEFAULT VALUES",
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
                f"DROP TABLE {table}",
                f"COMMENT ON TABLE {table} IS 'mine'",
                f"ALTER TABLE {table} ADD mine int",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(attempt)
        for attempt in ("CREATE TABLE public.mine ()", "CREATE SCHEMA mine", "CREATE ROLE mine"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(attempt)
        await connection.execute("CREATE TABLE titan_replay.mine ()")
        await connection.execute("DROP TABLE titan_replay.mine")


@real
async def test_who_only_compares_cannot_swap_or_hold_up(place: Place) -> None:
    async with connected(place.dsn) as connection:
        for function in ("replay_swap", "replay_hold"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SELECT {function}('payments')")


@real
@pytest.mark.parametrize(
    ("grant", "revoke"),
    [
        ("GRANT UPDATE (tier) ON accounts", "REVOKE UPDATE (tier) ON accounts"),
        ("GRANT TRUNCATE ON payments", "REVOKE TRUNCATE ON payments"),
        ("GRANT CREATE ON SCHEMA public", "REVOKE CREATE ON SCHEMA public"),
    ],
)
async def test_a_role_that_could_do_harm_is_refused(place: Place, grant: str, revoke: str) -> None:
    await place.owner.execute(f"{grant} TO {ROLE}")
    try:
        with pytest.raises(Defect, match="could write to"):
            async with connected(place.dsn):
                raise AssertionError("it went on")
        code, said = await place.replay("payments")
    finally:
        await place.owner.execute(f"{revoke} FROM {ROLE}")

    assert code == 1
    assert "revoke that first" in said


@real
async def test_two_replays_of_one_database_do_not_meet(place: Place) -> None:
    async with connected(place.dsn) as first, connected(place.dsn) as second:
        await be_alone(first)
        with pytest.raises(Unavailable, match="another replay"):
            await be_alone(second)


def test_nothing_in_the_room_can_publish_call_or_commit() -> None:
    words = {
        word
        for path in REPLAY.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for word in (getattr(node, "id", None), getattr(node, "attr", None))
        if isinstance(word, str)
    }
    assert {"AIOKafkaConsumer", "list_consumer_group_offsets", "connect"} <= words
    assert (
        words
        & {
            *("AIOKafkaProducer", "KafkaPublisher", "publish", "send", "commit", "subscribe"),
            *("httpx", "socket", "open_connection", "urlopen", "notify", "Redis"),
            *("delete_records", "create_topics", "delete_topics", "alter_configs"),
        }
        == set()
    )


def test_it_joins_no_group() -> None:
    groups = [
        keyword.value
        for path in REPLAY.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "group_id"
    ]
    assert [ast.unparse(value) for value in groups] == ["None"]
    assert SCHEMAS == ("titan_replay", "titan_replaced")
