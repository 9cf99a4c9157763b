"""`titan keys` and `titan forget` as an operator meets them."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from runtime.clock import SystemClock
from runtime.settings import Settings
from runtime.vault import Binding, connect_vault
from runtime.vault import limits as vault_limits
from tests.runtime.vault.conftest import empty
from titan.cli import app

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

DORA = UUID("d02a0000-0000-4000-8000-000000000001")


async def seal(dsn: str, directory: Path) -> None:
    settings = Settings(postgres_dsn=SecretStr(dsn), data_directory=directory)
    vault = await connect_vault(settings, name="test", clock=SystemClock())
    try:
        await vault.seal_for(DORA, [(Binding("t", "c", "r", DORA), "text")])
        vault.seal("text", "purpose")
    finally:
        await vault.close()


async def acts(dsn: str) -> list[tuple[str, ...]]:
    """What was written down of this test's keys, and is to be told."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT actor, action, object FROM audit_acts"
            " JOIN outbox ON key = convert_to(object, 'UTF8')"
            " WHERE object LIKE 'wrapping-key:%' ORDER BY acted_at"
        )
        return [tuple(row) for row in rows]
    finally:
        await connection.close()


def titan(dsn: str, directory: Path, *arguments: str) -> tuple[int, Any]:
    """A command's exit code, and its JSON or what it said instead."""
    result = CliRunner().invoke(
        app,
        [*arguments],
        env={"TITAN_POSTGRES_DSN": dsn, "TITAN_DATA_DIRECTORY": str(directory)},
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    said = result.stdout
    return result.exit_code, json.loads(said) if said[:1] in {"{", "["} else said + result.stderr


def key_files() -> list[Path]:
    directory = Settings().key_directory
    assert directory is not None
    return list(directory.iterdir())


def test_a_key_comes_wraps_and_goes(
    keys_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> tuple[int, Any]:
        return titan(keys_dsn, tmp_path, "keys", *arguments)

    asyncio.run(empty(keys_dsn))
    of_others = set(key_files())
    assert run("status")[0] == 0
    asyncio.run(seal(keys_dsn, tmp_path))

    code, said = run("status", "--json")
    assert (code, said["worn"]) == (0, [])
    [first] = said["keys"]
    assert (first["key"], first["provider"], first["state"]) == (1, "file", "wraps")
    assert (first["data_keys"], first["messages"]) == (1, vault_limits.MESSAGES_RESERVED)
    assert sum(said["house_messages"].values()) >= 1

    assert run("destroy", "1", "--yes")[0] == 2
    assert run("rotate", "--json")[1]["key"] == 2
    assert run("rewrap", "--json") == (0, {"rewrapped": 1, "done_by_others": 0, "lost": 0})
    assert run("destroy", "1", "--yes", "--json") == (0, {"destroyed": 1})
    assert [key["state"] for key in run("status", "--json")[1]["keys"]] == ["destroyed", "wraps"]
    assert "destroyed" in run("status")[1]
    assert len(set(key_files()) - of_others) == 1
    assert asyncio.run(acts(keys_dsn)) == [
        ("operator", "wrapping-key.rotate", "wrapping-key:2"),
        ("operator", "wrapping-key.destroy", "wrapping-key:1"),
    ]

    monkeypatch.setattr(vault_limits, "MESSAGES_ALARM", 5)
    code, said = run("status")
    assert code == 1
    assert "worn" in said


@pytest.mark.parametrize(
    "arguments", [[], ["alice"], ["client:1"], ["user:"], [str(DORA), "--from-log"]]
)
def test_nobody_is_forgotten_by_mistake(
    arguments: list[str], keys_dsn: str, tmp_path: Path
) -> None:
    assert titan(keys_dsn, tmp_path, "forget", *arguments)[0] == 2


def test_forgetting_asks_first(keys_dsn: str, tmp_path: Path) -> None:
    code, said = titan(keys_dsn, tmp_path, "forget", str(DORA))
    assert code == 1
    assert "Forget user:" in said
