"""A dead letter always fits into a record: one that does not would stop its stage for ever."""

from typing import Final

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from domain.errors import Invalid
from runtime.dead_letter import DeadLetter, dead_letter_message
from runtime.dead_letter_log import StoredLetter
from runtime.publisher import RECORD_BYTES_MAX
from schemas.event import Position
from schemas.wire import Message
from tests.support.memory_stage import NOW, RawRecord

BATCH_OVERHEAD_BYTES: Final = 61
SMALL: Final[list[tuple[str, bytes | None]]] = [("ce_id", b"one"), ("odd", b"\xff"), ("none", None)]
KEPT = [(name, value or b"") for name, value in SMALL]


def record(
    *, key: bytes = b"alice", value: bytes = b"{}", more: list[tuple[str, bytes | None]]
) -> RawRecord:
    return RawRecord("payment.screened.v1", 3, 17, key, value, [*SMALL, *more])


def letter_of(failed: RawRecord, message: str = "does not fit the schema at: body") -> Message:
    return dead_letter_message(
        DeadLetter(failed, Invalid("invalid_event", message)),
        topic="payment.screened.v1.ledger-posting.dlq",
        group="ledger-posting",
        original_topic="payment.screened.v1",
        now=NOW,
    )


def size_of(letter: Message) -> int:
    """No less than what it takes in a batch of its own."""
    record_bytes: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(
        letter.key, letter.value, letter.headers
    )
    return BATCH_OVERHEAD_BYTES + record_bytes


def cuts(letter: Message) -> set[str]:
    names = {name.removeprefix("x-original-") for name, _ in letter.headers}
    return {name for name in names if name.endswith("-cut")}


TOO_LARGE: Final[dict[str, tuple[RawRecord, set[str]]]] = {
    "value": (record(value=b"v" * 255_000, more=[]), {"value-cut"}),
    "key": (record(key=b"k" * 255_000, more=[]), {"key-cut", "value-cut"}),
    "key_and_value": (record(key=b"k" * 60_000, value=b"v" * 199_000, more=[]), {"value-cut"}),
    "header": (record(more=[("x", b"h" * 255_000)]), {"headers-cut"}),
    "header_and_value": (
        record(value=b"v" * 199_000, more=[("x", b"h" * 60_000)]),
        {"headers-cut"},
    ),
    "empty_headers": (record(more=[("x", None)] * 80_000), {"headers-cut"}),
    "headers_of_other_alphabets": (record(more=[("é" * 60_000, b"h" * 130_000)]), {"headers-cut"}),
    "a_third_each": (
        record(key=b"k" * 84_000, value=b"v" * 84_000, more=[("x", b"h" * 84_000)]),
        {"headers-cut"},
    ),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_a_record_too_large_for_its_letter_is_cut_and_the_letter_says_where(case: str) -> None:
    failed, expected = TOO_LARGE[case]
    letter = letter_of(failed)

    assert size_of(letter) <= RECORD_BYTES_MAX
    assert cuts(letter) == expected
    assert (failed.key or b"").startswith(letter.key)
    assert (failed.value or b"").startswith(letter.value)
    assert set(KEPT) <= set(letter.headers), "what says what it is stays"
    stored = StoredLetter(
        Position(letter.topic, 0, 0), NOW, letter.key, letter.value, letter.headers
    )
    assert not stored.is_whole


def test_a_large_header_does_not_keep_out_the_small_ones_behind_it() -> None:
    letter = letter_of(record(more=[("x", b"h" * 255_000), ("last", b"1")]))

    assert [name for name, _ in letter.headers[:4]] == ["ce_id", "odd", "none", "last"]


@pytest.mark.parametrize(
    "failed",
    [
        record(more=[]),
        record(value=b"v" * 235_000, more=[]),
        record(key=b"k" * 60_000, value=b"v" * 90_000, more=[("x", b"h" * 80_000)]),
    ],
)
def test_what_fits_is_kept_whole(failed: RawRecord) -> None:
    letter = letter_of(failed)

    assert size_of(letter) <= RECORD_BYTES_MAX
    assert cuts(letter) == set()
    assert (letter.key, letter.value) == (failed.key, failed.value)
    assert letter.headers[: len(failed.headers)] == [
        (name, value or b"") for name, value in failed.headers
    ]


def test_a_story_of_very_many_faults_is_no_reason_to_keep_less_of_the_record() -> None:
    letter = letter_of(record(value=b"v" * 199_000, more=[]), message="roles.1, " * 100_000)

    assert size_of(letter) <= RECORD_BYTES_MAX
    assert cuts(letter) == set()
