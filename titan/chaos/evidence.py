"""What can be known of a Titan from outside: its log, its tables, and what clients were told."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from runtime.topics import topic_map
from titan.chaos.garbage import Garbage
from titan.chaos.history import History
from titan.chaos.raw_log import Place, Record
from titan.chaos.told import Hearing

DEAD_LETTER: Final = ".dlq"

_TABLES: Final = {
    "payments": "SELECT payment_id, state, requested_at, resolved_at, screened_at, posted_at,"
    " refused_at, conflicted_at, accepted_at, from_handle, to_handle, amount_minor, currency,"
    " fingerprint, payer_account_id, payee_account_id, posting_id, refusal_code FROM payments",
    "postings": "SELECT posting_id, currency FROM ledger_postings",
    "entries": "SELECT account_id, sequence, posting_id, amount_minor, balance_after_minor"
    " FROM ledger_entries ORDER BY account_id, sequence",
    "ledger_accounts": "SELECT account_id, minimum_minor, balance_minor, entry_count, currency"
    " FROM ledger_accounts",
    "accounts": "SELECT account_id, client_id, kind, tier, currency FROM accounts",
    "webhook_deliveries": "SELECT endpoint_id, delivery_id, state, tries, due_at, created_at"
    " FROM webhook_deliveries",
    "notifications": "SELECT subject, account_id, count FROM notifications",
    "handles": "SELECT handle, version, account_id FROM directory_handles",
}


Row = Any
"""A row of a table by its columns' names, as the driver hands it out: a copy would weigh more."""


@dataclass(frozen=True)
class Fault:
    """Something that should not be. What `heals` may only be late; anything else is wrong."""

    what: str
    payment_id: UUID | None = None
    heals: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """An event on the log, as its bytes say. There are millions: it keeps little."""

    name: str
    """`posted` of payment.posted.v1."""
    event_id: str
    source: str
    at: datetime
    value: bytes
    place: Place
    appended_at_ms: int

    @property
    def body(self) -> dict[str, Any]:
        """The event's JSON, read anew each time."""
        body: dict[str, Any] = json.loads(self.value)
        return body


@dataclass
class Evidence:
    """All of it, as of one moment: the log was read first, then the tables at once."""

    history: History
    garbage: dict[Place, Garbage]
    payments: dict[UUID, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    others: list[Fact] = field(default_factory=list)
    """Facts about handles and accounts."""
    letters: list[Record] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    hearing: Hearing = field(default_factory=Hearing)
    """What the client was told of by webhooks."""

    def add(self, records: Iterable[Record]) -> None:
        """Take in what was read from the log."""
        for record in records:
            if record.topic.endswith(DEAD_LETTER):
                self.letters.append(record)
            elif record.place not in self.garbage:
                fact = _fact(record)
                if record.topic.startswith("payment."):
                    self.payments[UUID(fact.body["payment_id"])].append(fact)
                else:
                    self.others.append(fact)

    async def read_tables(self, dsn: str) -> None:
        """One look at all tables, which shows no transaction in part."""
        connection = await asyncpg.connect(dsn, timeout=10, command_timeout=60)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for name, query in _TABLES.items():
                    self.tables[name] = await connection.fetch(query)
        finally:
            await connection.close()

    def timeline(self, payment_id: UUID) -> str:
        """All that is known of a payment, in the order of time."""
        lines = [
            (at_s, f"client   {what}")
            for intent in self.history.intents
            if intent.payment_id == payment_id
            for at_s, what in intent.notes
        ]
        for fact in self.payments.get(payment_id, []):
            said = f"{fact.event_id} by {fact.source}: {fact.value.decode()}"
            lines.append((fact.appended_at_ms / 1000, f"log      {fact.place} {said}"))
        told = [f"{at_s:.3f} {line}" for at_s, line in sorted(lines)]
        ids = {payment_id} | {
            UUID(fact.body["posting_id"])
            for fact in self.payments.get(payment_id, [])
            if fact.name == "posted"
        }
        for table, rows in self.tables.items():
            told += [
                f"table    {table}: {dict(row)}"
                for row in rows
                if row.get("payment_id") in ids or row.get("posting_id") in ids
            ]
        return "\n".join(told)


def _fact(record: Record) -> Fact:
    headers = {name: (value or b"").decode() for name, value in record.headers}
    return Fact(
        name=_NAMES[record.topic],
        event_id=headers["ce_id"],
        source=sys.intern(headers["ce_source"]),
        at=datetime.fromisoformat(headers["ce_time"]),
        value=record.value or b"",
        place=record.place,
        appended_at_ms=record.appended_at_ms,
    )


_NAMES: Final = {topic.name: topic.name.split(".")[1] for topic in topic_map().topics}
