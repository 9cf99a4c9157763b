"""What can be known of a Titan from outside: its log, its tables, and what clients were told."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from runtime.topics import topic_map
from tests.storm.garbage import Garbage
from tests.storm.history import History
from tests.storm.raw_log import Record

DEAD_LETTER: Final = ".dlq"

_TABLES: Final = {
    "payments": "SELECT * FROM payments",
    "postings": "SELECT posting_id, currency FROM ledger_postings",
    "entries": "SELECT account_id, sequence, posting_id, amount_minor, balance_after_minor"
    " FROM ledger_entries ORDER BY account_id, sequence",
    "ledger_accounts": "SELECT account_id, minimum_minor, balance_minor, entry_count, currency"
    " FROM ledger_accounts",
    "accounts": "SELECT account_id, client_id, kind, tier, currency FROM accounts",
    "handles": "SELECT handle, version, account_id FROM directory_handles",
}


@dataclass(frozen=True)
class Fault:
    """Something that should not be. What `heals` may only be late; anything else is wrong."""

    what: str
    payment_id: UUID | None = None
    heals: bool = False


@dataclass(frozen=True)
class Fact:
    """An event on the log, as its bytes say."""

    name: str
    """`posted` of payment.posted.v1."""
    event_id: str
    source: str
    at: datetime
    body: dict[str, Any]
    record: Record


@dataclass
class Evidence:
    """All of it, as of one moment: the log was read first, then the tables at once."""

    history: History
    accounts: dict[str, UUID]
    """The account of each handle, as those who opened it know."""
    garbage: dict[tuple[str, int, int], Garbage]
    payments: dict[UUID, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    others: list[Fact] = field(default_factory=list)
    """Facts about handles and accounts."""
    letters: list[Record] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

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
                    self.tables[name] = [dict(row) for row in await connection.fetch(query)]
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
            at_s, place = fact.record.appended_at_ms / 1000, fact.record.place
            said = f"{fact.event_id} by {fact.source}: {json.dumps(fact.body)}"
            lines.append((at_s, f"log      {place} {said}"))
        told = [f"{at_s:.3f} {line}" for at_s, line in sorted(lines)]
        ids = {payment_id} | {
            UUID(fact.body["posting_id"])
            for fact in self.payments.get(payment_id, [])
            if fact.name == "posted"
        }
        for table, rows in self.tables.items():
            told += [
                f"table    {table}: {row}"
                for row in rows
                if row.get("payment_id") in ids or row.get("posting_id") in ids
            ]
        return "\n".join(told)


def _fact(record: Record) -> Fact:
    headers = {name: (value or b"").decode() for name, value in record.headers}
    assert record.topic in {topic.name for topic in topic_map().topics}, record
    return Fact(
        name=record.topic.split(".")[1],
        event_id=headers["ce_id"],
        source=headers["ce_source"],
        at=datetime.fromisoformat(headers["ce_time"]),
        body=json.loads(record.value or b""),
        record=record,
    )
