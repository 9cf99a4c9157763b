"""`titan prove` as an operator meets it: exit codes, the report, the table, and what it leaves."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from proof.database import ROLE, reading_connection
from proof.report import digest_of_report
from runtime.topics import TopicMap, topic_map
from tests.proof.conftest import CopyOf
from tests.proof.world import World, account_of
from titan.cli import app

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(90),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def topics() -> TopicMap:
    """The command knows the whole map only."""
    return topic_map()


def environment(world: World, data: Path, dsn: str | None = None) -> dict[str, str]:
    return {
        "TITAN_KAFKA_BOOTSTRAP": world.bootstrap,
        "TITAN_POSTGRES_DSN": dsn or world.dsn,
        "TITAN_TOPIC_PREFIX": world.settings.topic_prefix,
        "TITAN_DATA_DIRECTORY": str(data),
    }


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


async def titan_prove(
    world: World, data: Path, *arguments: str, dsn: str | None = None
) -> tuple[int, str, str]:
    result = await asyncio.to_thread(
        CliRunner().invoke, app, ["prove", *arguments], env=environment(world, data, dsn)
    )
    return result.exit_code, result.stdout, result.stderr


async def test_books_that_hold_exit_0_and_leave_a_sealed_report(
    sound: World, tmp_path: Path
) -> None:
    code, said, _ = await titan_prove(sound, tmp_path)

    assert code == 0, said
    [path] = (tmp_path / "proofs").iterdir()
    report: dict[str, Any] = json.loads(path.read_text("utf-8"))
    assert report["ok"]
    assert report["sha256"] == digest_of_report(report)
    assert report["sha256"] in said
    assert "The books hold." in said
    assert "debits = credits in every posting" in said
    ends = await sound.reader.end_offsets(list(sound.reader.assignment()))
    for place, end in ends.items():
        topic = place.topic.removeprefix(sound.settings.topic_prefix)
        assert report["offsets"]["proven"][topic][place.partition] == end
    assert report["started_at"] < report["snapshot_at"] < report["finished_at"]

    code, said, _ = await titan_prove(sound, tmp_path, "--json", "--since", str(path))
    assert code == 0, said
    assert json.loads(said)["since"] == report["sha256"]


async def test_books_that_do_not_hold_exit_1_with_a_story(
    sound: World, tmp_path: Path, copy_of: CopyOf
) -> None:
    dsn = await copy_of(sound)
    await sound.execute("DELETE FROM payments WHERE amount_minor = 103", dsn=dsn)
    report = tmp_path / "here" / "report.json"

    code, said, _ = await titan_prove(sound, tmp_path, "--report", str(report), dsn=dsn)

    assert code == 1
    assert "1 FAULTS" in said
    assert "The books do NOT hold." in said
    lines = said[said.index("Counter-example") :].splitlines()
    topics = [line.split()[1].split("/")[0] for line in lines if line.startswith("  2")]
    assert topics == [
        f"payment.{state}.v1" for state in ("requested", "resolved", "screened", "posted")
    ]
    for table in ("inbox:", "ledger_postings:", "ledger_entries:", "ledger_accounts:"):
        assert any(line.strip().startswith(table) for line in lines)
    story = json.loads(report.read_text("utf-8"))["counter_example"]
    assert {"topic", "partition", "offset", "ce_id"} <= story["timeline"][0].keys()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"TITAN_KAFKA_BOOTSTRAP": "127.0.0.1:9"}, "Kafka does not answer"),
        ({"TITAN_POSTGRES_DSN": "postgresql://titan@127.0.0.1:9/titan"}, "PostgreSQL does not"),
        ({"TITAN_TOPIC_PREFIX": "nowhere-"}, "run `titan topics apply`"),
    ],
)
async def test_a_proof_that_cannot_run_exits_2(
    sound: World, tmp_path: Path, changed: dict[str, str], told: str
) -> None:
    given = environment(sound, tmp_path) | changed
    result = await asyncio.to_thread(CliRunner().invoke, app, ["prove"], env=given)

    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "proofs").exists()


async def test_the_role_of_a_proof_can_read_and_nothing_else(sound: World) -> None:
    writes = (
        f"UPDATE ledger_accounts SET is_frozen = true WHERE account_id = '{account_of('bob')}'",
        "DELETE FROM inbox",
        "INSERT INTO payments (payment_id) VALUES (gen_random_uuid())",
        "CREATE TABLE mine (a int)",
    )
    for write in writes:
        connection = await asyncpg.connect(sound.dsn)
        try:
            await connection.execute(f"SET ROLE {ROLE}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(write)
        finally:
            await connection.close()
    async with reading_connection(sound.dsn) as reading:
        assert await reading.fetchval("SELECT current_user") == ROLE
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reading.execute("CREATE TEMP TABLE mine (a int)")


async def test_a_proof_joins_no_group_and_commits_nothing(sound: World, tmp_path: Path) -> None:
    before = await sound.groups()

    code, _, _ = await titan_prove(sound, tmp_path)

    assert code == 0
    assert await sound.groups() == before


async def test_an_interrupted_proof_leaves_nothing(sound: World, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titan", "prove"),
        env={**os.environ, **environment(sound, tmp_path), "TMPDIR": str(temporary)},
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while b"reading" not in await process.stderr.read(200):
            continue
        process.send_signal(signal.SIGINT)
        rest = await process.stderr.read()
        code = await process.wait()

    assert code in {0, 130}, rest
    assert left_in(temporary) == []
    assert [name for name in left_in(tmp_path) if name.endswith(".new")] == []
