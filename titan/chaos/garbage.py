"""Records that nobody can understand, of every kind, for any topic of the map."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from runtime.topics import Topic
from titan.chaos.raw_log import Place

EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples"
NO_KEY: Final = "no key"
BROKEN_NAME: Final = "a header name that is not UTF-8"

_NAME, _NOT_UTF8 = b"odd-name", b"odd-\xff\xff\xff\xff"
_CHECKED_FROM: Final = 21
"""Where the part of a record batch (KIP-98) begins that its CRC covers; the CRC stands before."""

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Garbage:
    """A record that was put on a topic, and where it lies."""

    kind: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def place(self) -> Place:
        """Topic, partition and offset."""
        return self.topic, self.partition, self.offset

    @property
    def is_readable(self) -> bool:
        """Whether client libraries can read it at all."""
        return self.kind != BROKEN_NAME


@dataclass(frozen=True)
class Good:
    """A record as it should be, to be spoiled."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def of(cls, topic: Topic) -> "Good":
        """The topic's golden example."""
        example = json.loads((EXAMPLES / topic.name / "v1-minimal.json").read_text("utf-8"))
        return cls(
            key=example["key"].encode(),
            value=json.dumps(example["value"]).encode(),
            headers=[(name, text.encode()) for name, text in example["headers"].items()],
        )

    def but(self, **changed: Any) -> "Good":  # noqa: ANN401 - any of the fields
        """With other fields."""
        return Good(**({"key": self.key, "value": self.value, "headers": self.headers} | changed))

    def header(self, name: str, value: bytes | None) -> "Good":
        """With another value of a header."""
        return self.but(headers=[(each, value if each == name else v) for each, v in self.headers])

    def dated(self, text: str) -> "Good":
        """With another start of its chain."""
        assert self.value is not None
        fields = json.loads(self.value)
        started = "accepted_at" if "accepted_at" in fields else "requested_at"
        return self.but(value=json.dumps(fields | {started: text}).encode())


def to_json(garbage: Sequence[Garbage]) -> str:
    """As a document that `from_json` reads again."""
    return json.dumps(
        [
            [
                *(each.kind, *each.place, _text(each.key), _text(each.value)),
                [[name, _text(value)] for name, value in each.headers],
            ]
            for each in garbage
        ]
    )


def from_json(text: str) -> list[Garbage]:
    """What `to_json` wrote."""
    return [
        Garbage(
            *(kind, topic, partition, offset, _bytes(key), _bytes(value)),
            [(name, _bytes(each)) for name, each in headers],
        )
        for kind, topic, partition, offset, key, value, headers in json.loads(text)
    ]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


KINDS: Final[dict[str, Callable[[Good, Topic], Good]]] = {
    "noise": lambda good, _: good.but(key=b"\xfe\xff", value=bytes(range(256)), headers=[]),
    "noise as long as a record may be": lambda good, _: good.but(value=b"\x00\xff" * 115_000),
    "cut JSON": lambda good, _: good.but(value=(good.value or b"")[:-9]),
    "deep JSON": lambda good, _: good.but(value=b"[" * 20_000 + b"]" * 20_000),
    "wrong schema": lambda good, _: good.but(value=b'{"amount_minor": "1000"}'),
    "no object": lambda good, _: good.but(value=b"17"),
    "unknown version": lambda good, topic: good.header(
        "ce_type", topic.name.replace(".v1", ".v99").encode()
    ),
    "type of another topic": lambda good, _: good.header("ce_type", b"payment.invented.v1"),
    "tombstone": lambda good, _: good.but(value=None),
    "no headers": lambda good, _: good.but(headers=[]),
    "a header without a value": lambda good, _: good.header("ce_id", None),
    "a type without a value": lambda good, _: good.header("ce_type", None),
    "a header that is not UTF-8": lambda good, _: good.header("ce_source", b"\xff\xfe"),
    "an id that is not UTF-8": lambda good, _: good.header("idempotency_id", b"\xff" * 36),
    "another key": lambda good, _: good.but(key=b"somebody-else"),
    NO_KEY: lambda good, _: good.but(key=None),
    "older than the house": lambda good, _: good.dated("1970-01-01T00:00:00Z"),
    "after the end of time": lambda good, _: good.dated("9999-12-31T23:59:59-14:00"),
}


async def strew(
    topics: Sequence[Topic],
    *,
    bootstrap: str,
    chance: Random,
    kinds: Sequence[str] = (*KINDS, BROKEN_NAME),
) -> list[Garbage]:
    """Put one record of each kind on each topic, each on any of its partitions.

    The broker itself refuses records without a key where it compacts.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        found = await asyncio.gather(
            *(
                litter(producer, topic, kind, partition=chance.randrange(topic.partitions))
                for topic in topics
                for kind in kinds
                if not (kind == NO_KEY and topic.is_compacted)
            )
        )
    finally:
        await producer.stop()
    return list(found)


async def litter(
    producer: AIOKafkaProducer, topic: Topic, kind: str, *, partition: int, prefix: str = ""
) -> Garbage:
    """Put one record of a kind on a topic."""
    good = Good.of(topic)
    name = prefix + topic.name
    if kind == BROKEN_NAME:
        record = good.but(headers=[(_NAME.decode(), b"v")])
        batch = producer.create_batch()
        batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
        # No client library writes such a record; the batch is built, and broken afterwards.
        batch._buffer = _with_broken_name(bytes(batch._build()))  # noqa: SLF001
        sent = await producer.send_batch(batch, name, partition=partition)
    else:
        record = KINDS[kind](good, topic)
        sent = await producer.send(
            name,
            partition=partition,
            key=record.key,
            value=record.value,
            headers=record.headers,
        )
    landed = await sent
    return Garbage(kind, name, partition, landed.offset, record.key, record.value, record.headers)


def _with_broken_name(batch: bytes) -> bytes:
    """The record batch with a header name that is not UTF-8, and a CRC that fits."""
    broken = batch.replace(_NAME, _NOT_UTF8)
    checksum: int = calc_crc32c(broken[_CHECKED_FROM:])
    crc = checksum.to_bytes(4, "big")
    return broken[: _CHECKED_FROM - len(crc)] + crc + broken[_CHECKED_FROM:]
