"""Kafka's jars are those that the lock file pins, or none."""

from pathlib import Path

import pytest

from titan import kafka_jars, setup_kafka
from titan.kafka_jars import Jar, installed_jars, locked_jars

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "kafka"
    monkeypatch.setattr(kafka_jars, "HOME", home)
    monkeypatch.setattr(setup_kafka, "HOME", home)
    return home


def test_the_lock_file_pins_each_jar_once_and_kafka_among_them() -> None:
    jars = locked_jars()

    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars)
    assert ("kafka_2.13", kafka_jars.KAFKA_VERSION) in {(jar.artifact, jar.version) for jar in jars}
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)


def test_jars_that_were_never_fetched_are_missed(empty_home: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"not all in {empty_home}"):
        installed_jars()


def test_a_jar_with_other_bytes_is_not_installed(empty_home: Path, tmp_path: Path) -> None:
    jar = Jar(group="org.example", artifact="forged", version="1", sha256="0" * 64)
    cached = tmp_path / "cache" / "org" / "example" / "forged" / "1" / jar.file_name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"other bytes")

    with pytest.raises(setup_kafka.SetupError, match=r"forged-1\.jar came with other bytes"):
        setup_kafka._fetch_one(jar, tmp_path / "cache")

    assert not empty_home.exists()


def test_without_a_network_one_line_says_what_to_do(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.argv", ["setup_kafka"])

    with pytest.raises(SystemExit) as caught:
        setup_kafka.main()

    assert "connect to a network" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(empty_home.glob("*.jar"))
