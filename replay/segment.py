r"""A segment: consecutive records of one partition as bytes, to outlive the topic's retention.

Uncompressed it is: the mark `TITANSEG1\n`; the length (u32) and text of a JSON list of the sets of
header names that occur, each a list; the number of records (u32); for each record offset and time
of append in ms (i64), length of key and of value (i32, -1 for none) and which set of header names
it has (u32); then, record by record, key, value, the lengths of its headers' values (i32, -1 for
none) and these values. All numbers are little-endian. A record that no client library can parse has
the key length -2 and nothing else: that it was there is kept, its bytes are not.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from struct import Struct, error
from typing import Any, Final, Literal, NamedTuple

from domain.errors import Invalid
from runtime.dead_letter import Record
from runtime.poll import UnreadableRecord

_zstd: Any
try:
    from cramjam import zstd as _zstd
except ImportError:  # The client library brings it along; without it, the standard library's gzip.
    _zstd = None

MARK: Final = b"TITANSEG1\n"
COMPRESSION: Final[Literal["zstd", "gzip"]] = "gzip" if _zstd is None else "zstd"
"""What new segments are compressed with; both can be read by everybody's tools."""

_ZSTD_LEVEL: Final = 3
_GZIP_LEVEL: Final = 6
_NONE: Final = -1
_UNREADABLE: Final = -2

_COUNT: Final = Struct("<I")
_INDEX: Final = Struct("<qqiiI")


class StoredRecord(NamedTuple):
    """A record off a segment, with what a record off the broker has."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def pack(records: Sequence[Record]) -> bytes:
    """The records as a segment, uncompressed."""
    index: list[bytes] = []
    parts: list[bytes] = []
    sets: dict[tuple[str, ...], int] = {}
    for record in records:
        if isinstance(record, UnreadableRecord):
            index.append(_INDEX.pack(record.offset, record.timestamp, _UNREADABLE, _NONE, 0))
            continue
        names = tuple(name for name, _ in record.headers)
        values = [value for _, value in record.headers]
        index.append(
            _INDEX.pack(
                record.offset,
                record.timestamp,
                _length(record.key),
                _length(record.value),
                sets.setdefault(names, len(sets)),
            )
        )
        parts += (record.key or b"", record.value or b"")
        parts += (_lengths(len(values)).pack(*map(_length, values)), *filter(None, values))
    names_json = json.dumps(list(sets)).encode()
    return b"".join(
        (MARK, _COUNT.pack(len(names_json)), names_json, _COUNT.pack(len(records)), *index, *parts)
    )


def unpack(data: bytes, *, topic: str, partition: int) -> list[Record]:
    """The records of a segment; Invalid if it is not whole."""
    try:
        return list(_unpacked(data, topic, partition))
    except (error, ValueError, TypeError, IndexError) as fault:
        raise Invalid("broken_segment", "the segment is not one") from fault


def _unpacked(data: bytes, topic: str, partition: int) -> Iterator[Record]:
    if not data.startswith(MARK):
        raise ValueError(MARK)
    begin = len(MARK) + _COUNT.size
    names_end = begin + _COUNT.unpack_from(data, len(MARK))[0]
    sets = [(names, _lengths(len(names))) for names in json.loads(data[begin:names_end])]
    (count,) = _COUNT.unpack_from(data, names_end)
    begin = names_end + _COUNT.size
    at = begin + count * _INDEX.size
    for offset, time_ms, key_length, value_length, number in _INDEX.iter_unpack(data[begin:at]):
        if key_length == _UNREADABLE:
            yield UnreadableRecord(topic, partition, offset, time_ms)
            continue
        value_at = at + max(0, key_length)
        end = value_at + max(0, value_length)
        key = None if key_length == _NONE else data[at:value_at]
        value = None if value_length == _NONE else data[value_at:end]
        names, lengths = sets[number]
        at = end + lengths.size
        values: list[bytes | None] = []
        for length in lengths.unpack_from(data, end):
            if length == _NONE:
                values.append(None)
            else:
                values.append(data[at : at + length])
                at += length
        headers = list(zip(names, values, strict=True))
        yield StoredRecord(topic, partition, offset, time_ms, key, value, headers)
    if at != len(data):
        raise ValueError(at)


def _length(value: bytes | None) -> int:
    return _NONE if value is None else len(value)


@cache
def _lengths(count: int) -> Struct:
    return Struct(f"<{count}i")


def compress(data: bytes, how: str) -> bytes:
    """The bytes as they are stored; the same bytes give the same."""
    if how == "zstd":
        return bytes(_zstd.compress(data, level=_ZSTD_LEVEL))
    return gzip.compress(data, _GZIP_LEVEL, mtime=0)


def decompress(data: bytes, how: str) -> bytes:
    """The bytes as they were; Invalid if they cannot be had here."""
    if how == "gzip":
        return gzip.decompress(data)
    if how != "zstd" or _zstd is None:
        raise Invalid("unknown_compression", f"segments are compressed with {how[:20]}: install it")
    return bytes(_zstd.decompress(data))


def digest_of(record: Record) -> str:
    """The SHA-256 of one record, to tell whether two logs hold the same at an offset."""
    return sha256(pack([record])).hexdigest()
