import json
import os
import stat
from pathlib import Path

import psutil
import pytest

from domain.errors import Unavailable
from titan.endpoints import (
    FILE_NAME,
    Endpoints,
    Worker,
    connected_settings,
    read_endpoints,
    remove_endpoints,
    write_endpoints,
)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TITAN_DATA_DIRECTORY", str(tmp_path))
    return tmp_path


def endpoints(**changes: object) -> Endpoints:
    fields: dict[str, object] = {
        "pid": os.getpid(),
        "created_s": psutil.Process().create_time(),
        "kafka_bootstrap": "127.0.0.1:29092",
        "postgres_dsn": "postgresql://titan:secret@127.0.0.1:25432/titan",
        "redis_url": "redis://127.0.0.1:26379/0",
        "handles_port": 28001,
        "payments_port": 28002,
        "auth_port": 28003,
        "notifications_port": 28006,
        "webhooks_port": 28007,
        "workers": [Worker(name="worker-1", stages=["ledger_posting"], metrics_port=29100)],
    }
    return Endpoints.model_validate(fields | changes)


def test_a_running_titan_is_found(directory: Path) -> None:
    write_endpoints(directory, endpoints())

    assert read_endpoints(directory) == endpoints()
    settings = connected_settings()
    assert settings.kafka_bootstrap == "127.0.0.1:29092"
    assert settings.postgres_dsn is not None
    assert settings.postgres_dsn.get_secret_value().endswith(":25432/titan")
    assert (settings.handles_port, settings.payments_port) == (28001, 28002)


def test_the_file_is_its_owners_alone(directory: Path) -> None:
    write_endpoints(directory, endpoints())

    assert stat.S_IMODE((directory / FILE_NAME).stat().st_mode) == 0o600


def test_the_environment_comes_first(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_endpoints(directory, endpoints())
    monkeypatch.setenv("TITAN_KAFKA_BOOTSTRAP", "kafka.example:9092")
    monkeypatch.setenv("TITAN_PAYMENTS_PORT", "9999")

    settings = connected_settings()

    assert (settings.kafka_bootstrap, settings.payments_port) == ("kafka.example:9092", 9999)
    assert settings.handles_port == 28001


def test_any_port_is_the_one_that_it_became(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_endpoints(directory, endpoints())
    monkeypatch.setenv("TITAN_PAYMENTS_PORT", "0")

    assert connected_settings().payments_port == 28002


@pytest.mark.parametrize(
    "changes",
    [{"pid": 2**22 - 1}, {"created_s": 1.0}],
    ids=["its process is gone", "its process id is another's now"],
)
def test_a_titan_that_was_killed_is_not_found(directory: Path, changes: dict[str, object]) -> None:
    write_endpoints(directory, endpoints(**changes))

    assert read_endpoints(directory) is None


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"pid": 1})])
def test_a_damaged_file_is_as_none(directory: Path, text: str) -> None:
    (directory / FILE_NAME).write_text(text, encoding="utf-8")

    assert read_endpoints(directory) is None


def test_neither_file_nor_environment_is_one_line_with_the_remedy(directory: Path) -> None:
    with pytest.raises(Unavailable, match=r"make run.*TITAN_KAFKA_BOOTSTRAP") as raised:
        connected_settings()

    assert "\n" not in str(raised.value)


def test_only_what_is_needed_has_to_be_named(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITAN_KAFKA_BOOTSTRAP", "kafka.example:9092")

    assert connected_settings(needed=("kafka_bootstrap",)).postgres_dsn is None
    assert connected_settings(needed=()).redis_url is None


def test_a_stopped_titan_takes_its_file_along(directory: Path) -> None:
    write_endpoints(directory, endpoints())

    remove_endpoints(directory)
    remove_endpoints(directory)

    assert read_endpoints(directory) is None
