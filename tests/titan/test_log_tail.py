import json
from pathlib import Path

import pytest

from titan import log_tail
from titan.log_tail import LogTail, said_of


def line(level: str, event: str, **details: str) -> str:
    return json.dumps({"level": level, "event": event, "timestamp": "t", **details}) + "\n"


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as log:
        log.write(text)


def test_says_each_error_once_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "worker-1.log"
    tail = LogTail(path)
    append(path, line("info", "started") + line("error", "defect", stage="ledger_posting"))
    append(path, "Traceback (most recent call last):\n" + line("critical", "halted"))

    assert tail.errors() == ["defect stage=ledger_posting", "halted"]
    assert tail.errors() == []


def test_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "worker-1.log"
    tail = LogTail(path)
    whole = line("error", "defect")
    append(path, whole[:10])
    assert tail.errors() == []

    append(path, whole[10:])

    assert tail.errors() == ["defect"]


def test_begins_where_the_earlier_run_ended(tmp_path: Path) -> None:
    path = tmp_path / "worker-1.log"
    append(path, line("error", "yesterday"))

    assert LogTail(path).errors() == []


def test_a_storm_of_errors_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "worker-1.log"
    tail = LogTail(path)
    append(path, line("error", "down") * 50)

    said = tail.errors()

    assert len(said) == log_tail.ERRORS_SHOWN_MAX + 1
    assert said[-1].startswith("and 47 more errors")


def test_a_log_over_its_bound_is_kept_once_and_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "LOG_BYTES_MAX", 100)
    path = tmp_path / "worker-1.log"
    tail = LogTail(path)
    with path.open("ab") as log:
        log.write(line("info", "x" * 200).encode())
        log.flush()
        tail.errors()
        assert path.stat().st_size == 0
        log.write(line("error", "after").encode())
        log.flush()
        assert tail.errors() == ["after"]
    assert "xxx" in (tmp_path / "worker-1.log.1").read_text(encoding="utf-8")


def test_the_last_words_are_the_last_line_whatever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "payments.log"
    assert LogTail(path).last_words() == "it said nothing"

    append(path, "Traceback\nOSError: no space\n\n")

    assert LogTail(path).last_words() == "OSError: no space"


@pytest.mark.parametrize("text", ["", "plain", "[1]", "1", '{"event": "x"}', '{"level": []}'])
def test_what_is_no_error_is_not_said(text: str) -> None:
    assert said_of(text) is None


def test_the_client_library_is_not_repeated_about_a_broker_that_is_away() -> None:
    assert said_of(line("error", "Unable connect", logger="aiokafka.conn")) is None
    assert said_of(line("error", "boom", logger="uvicorn.error")) == "boom"


def test_an_exception_is_said_by_its_last_line() -> None:
    text = line("error", "failed", exception="Traceback\n  File\nValueError: no")

    assert said_of(text) == "failed ValueError: no"
