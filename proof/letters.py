"""Dead letters: where the records lay that some group set aside, and whether one was good.

A letter is judged by the committed JSON Schema of its topic and by the proof's own reading of the
frame, never by the code that wrote it.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from proof.event import Read, TopicReader, is_plausible
from proof.findings import Check, Findings
from proof.payments import PaymentJoin
from proof.relations import ASIDE, Relations
from proof.route import PAYMENTS, Route
from proof.take import Letters
from runtime.topics import DEAD_LETTER_PARTITIONS

_SCHEMAS: Final = Path(__file__).resolve().parent.parent / "schemas" / "json"
_OWN: Final = ("x-original-", "x-error-", "x-attempts", "x-first-", "x-consumer-")
_NOT_WHOLE: Final = frozenset(
    f"x-original-{what}" for what in ("tombstone", "key-cut", "value-cut", "headers-cut")
)
_TYPES: Final[dict[str, type]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
    "object": dict,
}


@dataclass
class LetterBox:
    """All dead letters of a deployment."""

    route: Route
    findings: Findings
    positions: Letters = field(default_factory=set)
    by_code: Counter[str] = field(default_factory=Counter)
    good: list[tuple[str, Read]] = field(default_factory=list)
    """Topic and event of those that hold what looks good; unless it was put back, it is lost."""

    def __post_init__(self) -> None:
        self._topics = {
            topic.dead_letter(consumer.group): (number, consumer.group)
            for number, topic in enumerate(self.route.topics)
            for consumer in topic.consumers
        }

    @property
    def topics(self) -> dict[str, int]:
        """The dead letter topics, with their partitions."""
        return dict.fromkeys(self._topics, DEAD_LETTER_PARTITIONS)

    def take(self, name: str, partition: int, records: Sequence[Any]) -> None:
        """Letters of one partition."""
        number, group = self._topics[name]
        for record in records:
            self.findings.looked(Check.LETTERS)
            headers = {key: value or b"" for key, value in record.headers}
            try:
                partition_of = int(headers["x-original-partition"])
                offset = int(headers["x-original-offset"])
            except (KeyError, ValueError):
                self.findings.fault(
                    Check.LETTERS, f"{name}/{partition}/{record.offset} says no position"
                )
                continue
            code = headers.get("x-error-code", b"").decode(errors="replace")
            self.by_code[f"{name} {code}"] += 1
            self.positions.add((number, partition_of, offset, group))
            self._judge(number, record, headers)

    def tell_lost(self, relations: Relations, payments: PaymentJoin) -> None:
        """Tell of each good record that lies aside and was not put back."""
        for topic, read in self.good:
            if topic in PAYMENTS:
                facts = payments.events_of(read.subject)
                kept = any(
                    fact.event_id == read.event_id and not fact.flags & ASIDE for fact in facts
                )
            else:
                rows = relations.events.part_of(read.event_id)
                kept = len([row for row in rows if row[:16] == read.event_id]) > 1
            if not kept:
                self.findings.fault(
                    Check.LETTERS,
                    f"event {UUID(bytes=read.event_id)} of {topic} is good and was set aside",
                    subject=read.subject,
                )

    def _judge(self, number: int, record: Any, headers: dict[str, bytes]) -> None:  # noqa: ANN401
        if not _NOT_WHOLE.isdisjoint(headers):
            return
        topic = self.route.topics[number]
        kept = [(key, value) for key, value in record.headers if not key.startswith(_OWN)]
        reader = TopicReader(topic.name, key_fields=topic.key.split(" or "))
        read = reader.read(record.key, record.value, kept)
        if read is None or not fits_schema(topic.name, json.loads(record.value)):
            return
        appended_ms = int(headers.get("x-original-timestamp") or record.timestamp)
        if is_plausible(read.started_us, appended_ms, slack_days=-1):
            self.good.append((topic.name, read))


@cache
def _schema_of(topic: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_SCHEMAS / f"{topic}.json").read_text("utf-8"))
    return schema


def fits_schema(topic: str, body: object) -> bool:
    """Whether a value is as the topic's committed JSON Schema demands: the parts of it in use."""
    schema = _schema_of(topic)
    if not isinstance(body, dict) or not set(schema.get("required", ())) <= body.keys():
        return False
    return all(
        _fits(schema["properties"][name], value, schema)
        for name, value in body.items()
        if name in schema["properties"]
    )


def _fits(rule: dict[str, Any], value: object, schema: dict[str, Any]) -> bool:
    if "$ref" in rule:
        return _fits(schema["$defs"][rule["$ref"].rpartition("/")[2]], value, schema)
    if "anyOf" in rule:
        return any(_fits(each, value, schema) for each in rule["anyOf"])
    if "type" in rule and type(value) is not _TYPES[rule["type"]]:
        return False
    if value not in rule.get("enum", [value]) or value != rule.get("const", value):
        return False
    if isinstance(value, int):
        return bool(rule.get("minimum", value) <= value <= rule.get("maximum", value))
    return not isinstance(value, str) or _fits_text(rule, value)


def _fits_text(rule: dict[str, Any], value: str) -> bool:
    if "pattern" in rule and re.search(rule["pattern"], value) is None:
        return False
    try:
        match rule.get("format"):
            case "uuid":
                UUID(value)
            case "date-time":
                return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
    return True
