"""Dead letters: records nobody can understand, kept whole with where and why.

Headers follow the house's conventions: the original ones, then x-original-* (topic, partition,
offset, timestamp), x-error-* (kind, code, message; no input), x-attempts, x-first-failed-at,
x-consumer-group.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from domain.errors import Invalid
from runtime import limits
from schemas.wire import Message

OWN_HEADER_PREFIXES: Final = ("x-original-", "x-error-", "x-attempts", "x-first-", "x-consumer-")

TOMBSTONE: Final = "x-original-tombstone"
KEY_CUT: Final = "x-original-key-cut"
VALUE_CUT: Final = "x-original-value-cut"
HEADERS_CUT: Final = "x-original-headers-cut"

_HEADERS_BYTES_KEPT: Final = 20_000
"""Of the headers of a record too large, at least this much is kept: they say what it is."""

_MESSAGE_CHARACTERS_MAX: Final = 1_000
"""Of what is wrong: it can name each of very many fields."""

_HEADER_OVERHEAD_BYTES: Final = 8


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

    What is too large to fit beside its story is cut, and `x-original-{key,value,headers}-cut` say
    so: the position still names the whole record for as long as its topic keeps it.
    """
    record = letter.record
    story: list[tuple[str, bytes]] = [
        ("x-original-topic", original_topic.encode()),
        ("x-original-partition", str(record.partition).encode()),
        ("x-original-offset", str(record.offset).encode()),
        ("x-original-timestamp", str(record.timestamp).encode()),
        ("x-error-kind", b"invalid"),
        ("x-error-code", letter.error.code.encode()),
        ("x-error-message", letter.error.message[:_MESSAGE_CHARACTERS_MAX].encode()),
        ("x-attempts", b"1"),
        ("x-first-failed-at", now.isoformat().encode()),
        ("x-consumer-group", group.encode()),
    ]
    if record.value is None:
        story.append((TOMBSTONE, b"true"))
    kept = _fitting(record, limits.DEAD_LETTER_BYTES_MAX - _size(story))
    story.extend((name, b"true") for name in kept.cuts)
    return Message(topic=topic, key=kept.key, value=kept.value, headers=[*kept.headers, *story])


class _Kept(NamedTuple):
    """What a letter keeps of a record, and the headers that say what it does not."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    cuts: tuple[str, ...] = ()


def _fitting(record: Record, room: int) -> _Kept:
    """The record if it fits; else headers are left out first, then the value is cut.

    The key last: it names the partition. A letter that were too large could never be published,
    and its record would stop its stage for ever.
    """
    whole = _Kept(record.key or b"", record.value or b"", _kept(record.headers))
    if len(whole.key) + len(whole.value) + _size(whole.headers) <= room:
        return whole
    spare = room - len(whole.key) - len(whole.value)
    headers = _first(whole.headers, max(spare, _HEADERS_BYTES_KEPT))
    room -= _size(headers)
    key = whole.key[:room]
    value = whole.value[: room - len(key)]
    cut = {
        KEY_CUT: len(key) < len(whole.key),
        VALUE_CUT: len(value) < len(whole.value),
        HEADERS_CUT: len(headers) < len(whole.headers),
    }
    return _Kept(key, value, headers, tuple(name for name, is_cut in cut.items() if is_cut))


def _first(headers: Iterable[tuple[str, bytes]], room: int) -> list[tuple[str, bytes]]:
    """Those that fit, each whole; a large one does not keep out the small ones behind it."""
    fitting: list[tuple[str, bytes]] = []
    for header in headers:
        size = _size([header])
        if size <= room:
            fitting.append(header)
            room -= size
    return fitting


def _size(headers: Iterable[tuple[str, bytes]]) -> int:
    """At most so many bytes in a record: what stands before a name or value has three at most."""
    return sum(len(name.encode()) + len(value) + _HEADER_OVERHEAD_BYTES for name, value in headers)


def _kept(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    # A header without a value is legal in Kafka; an empty one is the nearest that can be sent on.
    return [
        (name, value or b"") for name, value in headers if not name.startswith(OWN_HEADER_PREFIXES)
    ]
