from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from runtime.dead_letter_log import StoredLetter
from runtime.stage import Stage
from runtime.unit import Unit
from schemas.event import Delivered, Position
from tests.support.events import screened
from tests.support.memory_stage import NOW, FixedClock, MemoryStage, message_of

LETTERS = "payment.screened.v1.ledger-posting.dlq"


def letter(*headers: tuple[str, bytes]) -> StoredLetter:
    return StoredLetter(Position(LETTERS, 3, 17), NOW, b"key", b"value", headers)


async def test_a_record_that_is_understood_now_is_decided_once_however_often_it_goes_back() -> None:
    handled: list[Delivered[Any]] = []

    async def handler(fresh: Sequence[Delivered[Any]], unit: Unit) -> list[None]:
        assert unit is not None
        handled.extend(fresh)
        return [None for _ in fresh]

    # A stage whose clock was months behind took the payment for one of the future.
    clock = FixedClock(NOW - timedelta(days=90))
    stage = MemoryStage(Stage("ledger_posting", handler), clock)
    original = message_of(screened())
    [failed] = await stage.deliver_messages([original])
    assert failed.error.code == "implausible_date"
    [buried] = stage.publisher.published
    stored = StoredLetter(
        Position(buried.topic, 0, 0), NOW, buried.key, buried.value, buried.headers
    )

    clock.time = NOW
    for _ in range(3):
        back = stored.redriven(clock.now())
        assert (back.topic, back.key, back.value) == (original.topic, original.key, original.value)
        assert await stage.deliver_messages([back]) == []

    assert [item.event for item in handled] == [screened()]


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, b"1"), (b"1", b"2"), (b"41", b"42"), (b"\xff", b"1"), (b"9" * 5000, b"1")],
)
def test_each_redrive_is_counted(before: bytes | None, after: bytes) -> None:
    headers = [("x-original-topic", b"payment.screened.v1")]
    if before is not None:
        headers.append(("x-redriven-count", before))
    marks = letter(*headers).redriven(NOW).headers
    assert [value for name, value in marks if name == "x-redriven-count"] == [after]
    assert dict(marks)["x-redriven-from"] == f"{LETTERS}/3/17".encode()


@pytest.mark.parametrize(
    "mark",
    [
        "x-original-tombstone",
        "x-original-key-cut",
        "x-original-value-cut",
        "x-original-headers-cut",
    ],
)
def test_what_was_not_kept_whole_is_known(mark: str) -> None:
    assert letter(("ce_id", b"1")).is_whole
    assert not letter((mark, b"true")).is_whole
