"""Dead letters: records nobody can understand, kept whole with where and why.

Headers follow the house's conventions: the original ones, then x-original-* (topic, partition,
offset, timestamp), x-error-* (kind, code, message; no input), x-attempts, x-first-failed-at,
x-consumer-group.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from domain.errors import Invalid
from runtime import limits
from schemas.wire import Message

OWN_HEADER_PREFIXES: Final = ("x-original-", "x-error-", "x-attempts", "x-first-", "x-consumer-")


class Record(Protocol):
    """A record as the client library hands it out."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record and what is wrong with it."""

    record: Record
    error: Invalid


def dead_letter_message(
    letter: DeadLetter, *, topic: str, group: str, original_topic: str, now: datetime
) -> Message:
    """The record of the dead letter topic: original bytes, key and headers, and the story.

    A value too large to fit beside its story is cut, and `x-original-value-cut` says so: the
    position still names the whole record for as long as its topic keeps it.
    """
    record = letter.record
    value = record.value or b""
    story: list[tuple[str, bytes]] = [
        ("x-original-topic", original_topic.encode()),
        ("x-original-partition", str(record.partition).encode()),
        ("x-original-offset", str(record.offset).encode()),
        ("x-original-timestamp", str(record.timestamp).encode()),
        ("x-error-kind", b"invalid"),
        ("x-error-code", letter.error.code.encode()),
        ("x-error-message", letter.error.message.encode()),
        ("x-attempts", b"1"),
        ("x-first-failed-at", now.isoformat().encode()),
        ("x-consumer-group", group.encode()),
    ]
    if record.value is None:
        story.append(("x-original-tombstone", b"true"))
    if len(value) > limits.DEAD_LETTER_VALUE_BYTES_MAX:
        value = value[: limits.DEAD_LETTER_VALUE_BYTES_MAX]
        story.append(("x-original-value-cut", b"true"))
    return Message(
        topic=topic,
        key=record.key or b"",
        value=value,
        headers=[*_kept(record.headers), *story],
    )


def _kept(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    # A header without a value is legal in Kafka; an empty one is the nearest that can be sent on.
    return [
        (name, value or b"") for name, value in headers if not name.startswith(OWN_HEADER_PREFIXES)
    ]
