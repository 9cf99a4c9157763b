import json
import shutil
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from runtime.topics import topic_map
from schemas.payment import PaymentPosted
from titan import schema_files
from titan.cli import app
from titan.schema_files import breaks_since_committed, is_committed, schema_path, schema_text

RUNNER = CliRunner()


class LaterPosted(PaymentPosted):
    """An event that lost its range and demands more."""

    TOPIC: ClassVar[str] = PaymentPosted.TOPIC

    memo: str


class GrownPosted(PaymentPosted):
    """An event that only grew."""

    TOPIC: ClassVar[str] = PaymentPosted.TOPIC

    memo: str | None = None


def test_what_is_committed_is_what_the_models_say() -> None:
    result = RUNNER.invoke(app, ["schemas", "check"])
    assert result.exit_code == 0, result.output


def test_each_committed_schema_belongs_to_a_topic() -> None:
    names = {path.stem for path in schema_files.JSON_DIRECTORY.glob("*.json")}
    assert names == {topic.name for topic in topic_map().topics}


def test_a_break_is_told_and_growth_is_only_not_committed_yet() -> None:
    assert breaks_since_committed(LaterPosted) == [
        "value.memo: is required now, and old events may lack it"
    ]
    assert breaks_since_committed(GrownPosted) == []
    assert not is_committed(GrownPosted)


def test_a_new_topic_breaks_nothing(tmp_path: Path) -> None:
    assert breaks_since_committed(PaymentPosted, tmp_path) == []
    assert not is_committed(PaymentPosted, tmp_path)
    schema_path(PaymentPosted.TOPIC, tmp_path).write_text(schema_text(PaymentPosted), "utf-8")
    assert is_committed(PaymentPosted, tmp_path)


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """A copy of the committed schemas, to be tampered with."""
    directory = tmp_path / "json"
    shutil.copytree(schema_files.JSON_DIRECTORY, directory)
    return directory


def run(command: str, committed: Path) -> tuple[int, dict[str, list[str]]]:
    result = RUNNER.invoke(app, ["schemas", command, "--directory", str(committed), "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_model_that_broke_what_was_committed_is_neither_passed_nor_exported(
    committed: Path,
) -> None:
    path = schema_path(PaymentPosted.TOPIC, committed)
    wider = json.loads(path.read_text("utf-8"))
    wider["properties"]["reason"] = {"type": "string"}
    wider["properties"]["amount_minor"]["minimum"] = 0
    path.write_text(json.dumps(wider), "utf-8")
    told = [
        "payment.posted.v1: value.amount_minor: minimum rose to 1",
        "payment.posted.v1: value.reason: was removed or renamed",
    ]
    for command in ("check", "export"):
        assert run(command, committed) == (1, {"breaks": told})
    assert json.loads(path.read_text("utf-8")) == wider


def test_a_model_that_grew_is_stale_until_it_is_exported(committed: Path) -> None:
    path = schema_path(PaymentPosted.TOPIC, committed)
    smaller = json.loads(path.read_text("utf-8"))
    smaller["properties"]["amount_minor"]["maximum"] = 1000
    path.write_text(json.dumps(smaller), "utf-8")
    assert run("check", committed) == (1, {"stale": ["payment.posted.v1"], "breaks": []})
    assert run("export", committed) == (0, {"written": ["payment.posted.v1"], "breaks": []})
    assert run("check", committed) == (0, {"stale": [], "breaks": []})
