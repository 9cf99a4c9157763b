"""A counter-example told in full: every event of its payment, and every row of the tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from proof.findings import Fault
from proof.log import LogReader
from proof.payments import PaymentJoin
from proof.relations import Relations
from proof.route import PAYMENTS, Route
from runtime.database import Connection

_PAYMENT: Final = "SELECT * FROM payments WHERE payment_id = $1"
_INBOX: Final = "SELECT * FROM inbox WHERE idempotency_id = ANY($1::uuid[]) ORDER BY decided_at"
_POSTINGS: Final = "SELECT * FROM ledger_postings WHERE posting_id = ANY($1::uuid[])"
_ENTRIES: Final = """
    SELECT entry.* FROM ledger_postings AS posting,
        unnest(account_ids, entry_sequences) AS named (account, number)
    JOIN ledger_entries AS entry ON entry.account_id = account AND sequence = number
    WHERE posting.posting_id = ANY($1::uuid[])"""
_ACCOUNTS: Final = "SELECT * FROM ledger_accounts WHERE account_id = ANY($1::uuid[])"
_LAST_ENTRIES: Final = """
    SELECT * FROM ledger_entries WHERE account_id = $1 ORDER BY sequence DESC LIMIT 5"""

Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass
class Story:
    """What is known of one fault."""

    fault: Fault
    events: list[dict[str, Any]] = field(default_factory=list)
    """In the order in which the broker appended them."""
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By table."""

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the report."""
        return {**self.fault.as_json(), "timeline": self.events, "rows": self.rows}


async def story_of(
    fault: Fault,
    *,
    route: Route,
    relations: Relations,
    payments: PaymentJoin,
    log: LogReader,
    connection: Connection,
) -> Story:
    """Read again what belongs to the fault."""
    story = Story(fault)
    postings = {fault.posting_id} if fault.posting_id else set()
    accounts = {fault.account_id} if fault.account_id else set()
    idempotency_ids: list[UUID] = []
    for topic, partition, offset in _places(fault, route, relations, payments):
        record = await log.record_at(topic, partition, offset)
        if record is None:
            continue
        event = _event(topic, partition, record)
        story.events.append(event)
        if "idempotency_id" in event:
            idempotency_ids.append(UUID(event["idempotency_id"]))
    story.events.sort(key=lambda event: str(event["appended_at"]))
    if fault.subject is not None:
        facts = payments.events_of(fault.subject.bytes)
        postings |= {
            UUID(bytes=fact.more) for fact in facts if PAYMENTS[fact.kind].startswith(_POSTED)
        }
        await _tell(story, connection, "payments", _PAYMENT, fault.subject)
        await _tell(story, connection, "inbox", _INBOX, idempotency_ids)
    await _tell(story, connection, "ledger_postings", _POSTINGS, sorted(postings))
    await _tell(story, connection, "ledger_entries", _ENTRIES, sorted(postings))
    for entry in story.rows.get("ledger_entries", []):
        accounts.add(UUID(entry["account_id"]))
    if fault.account_id is not None:
        await _tell(story, connection, "last entries", _LAST_ENTRIES, fault.account_id)
    await _tell(story, connection, "ledger_accounts", _ACCOUNTS, sorted(accounts))
    return story


_POSTED: Final = "payment.posted."


def _places(
    fault: Fault, route: Route, relations: Relations, payments: PaymentJoin
) -> Iterable[Place]:
    if fault.subject is None:
        return
    subject = fault.subject.bytes
    for fact in payments.events_of(subject):
        if fact.flags or fact.appended_ms:
            yield PAYMENTS[fact.kind], fact.partition, fact.offset
    for row in relations.places.part_of(subject):
        if row[:16] == subject:
            partition, offset = row[17:19], row[19:27]
            name = route.topic_names[row[16]]
            yield name, int.from_bytes(partition, "big"), int.from_bytes(offset, "big")


def _event(topic: str, partition: int, record: Any) -> dict[str, Any]:  # noqa: ANN401
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    names = ("ce_id", "ce_source", "ce_time", "idempotency_id", "causation_id")
    return {
        "appended_at": _time(record.timestamp),
        "topic": topic,
        "partition": partition,
        "offset": record.offset,
        **{name: headers[name] for name in names if name in headers},
        "value": (record.value or b"").decode(errors="replace"),
    }


async def _tell(
    story: Story,
    connection: Connection,
    table: str,
    query: str,
    argument: UUID | Sequence[UUID],
) -> None:
    if isinstance(argument, UUID) or argument:
        rows = await connection.fetch(query, argument)
        if rows:
            story.rows[table] = [
                {name: _plain(value) for name, value in row.items() if value is not None}
                for row in rows
            ]


def _plain(value: object) -> object:
    """As JSON can hold it."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int) else str(value)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
