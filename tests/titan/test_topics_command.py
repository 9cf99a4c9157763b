import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from runtime.topic_admin import apply_topics
from runtime.topics import TOPICS_FILE, topic_map
from titan.cli import app
from titan.servers import Endpoints
from titan.servers.ports import LOOPBACK, free_port


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["topics", *arguments], env=environment)


def test_the_own_map_is_valid_and_counted() -> None:
    said = json.loads(run("validate", "--json").stdout)
    assert said["topics"] == len(topic_map().topics)
    assert run("validate").stdout.startswith("topics.yaml is valid: ")


def test_every_fault_of_a_map_is_one_line_and_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    text = TOPICS_FILE.read_text("utf-8")
    path.write_text(text.replace("partitions: 12", "partitions: 0"), "utf-8")
    result = run("validate", "--file", str(path))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.count("partitions") == text.count("partitions: 12")


@pytest.mark.parametrize(
    ("environment", "exit_code", "told"),
    [
        ({"TITAN_KAFKA_BOOTSTRAP": f"{LOOPBACK}:{free_port()}"}, 1, "does not answer"),
        ({"TITAN_PROFILE": "holiday"}, 2, "TITAN_PROFILE"),
        ({"TITAN_DATA_DIRECTORY": "nowhere"}, 1, "make run"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_remedy(
    environment: dict[str, str], exit_code: int, told: str
) -> None:
    result = run("plan", "--json", **environment)
    assert result.exit_code == exit_code
    assert told in result.stderr.splitlines()[-1]
    assert result.stdout == ""


@pytest.mark.real
async def test_plan_apply_and_plan_again(endpoints: Endpoints, topic_prefix: str) -> None:
    environment = {
        "TITAN_KAFKA_BOOTSTRAP": endpoints.kafka_bootstrap,
        "TITAN_TOPIC_PREFIX": topic_prefix,
    }

    async def changes(command: str) -> list[dict[str, Any]]:
        result = await asyncio.to_thread(run, command, "--json", **environment)
        assert result.exit_code == 0
        said: list[dict[str, Any]] = json.loads(result.stdout)
        return said

    planned = await changes("plan")
    assert {change["kind"] for change in planned} == {"create"}
    assert await changes("apply") == planned
    assert await changes("plan") == []
    told = await asyncio.to_thread(run, "apply", **environment)
    assert "nothing to do" in told.stdout
    assert "one replica" in told.stderr


@pytest.mark.real
async def test_what_only_a_person_can_change_is_said_and_fails(
    endpoints: Endpoints, topic_prefix: str
) -> None:
    narrow = topic_map().topics[0].model_copy(update={"partitions": 1, "consumers": []})
    await apply_topics(
        endpoints.kafka_bootstrap,
        topic_map().model_copy(update={"topics": [narrow]}),
        prefix=topic_prefix,
    )
    for command in ("plan", "apply"):
        result = await asyncio.to_thread(
            run,
            command,
            TITAN_KAFKA_BOOTSTRAP=endpoints.kafka_bootstrap,
            TITAN_TOPIC_PREFIX=topic_prefix,
        )
        assert result.exit_code == 1
        assert "1 refused: a person has to decide" in result.stderr
        assert "refused" in result.stdout
