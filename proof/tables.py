"""The tables, read in one snapshot as fixed rows of bytes.

Columns are given a width in SQL (proof/queries.py), so that a COPY in binary format is an array of
structures: no object is made for a row but the bytes that are kept.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from domain.errors import Defect
from proof import queries
from proof import queries_telling as telling
from proof.limits import COPY_S_MAX
from proof.notices import Notices
from proof.relations import (
    DEMANDED,
    IN_TABLE,
    NEVER_US,
    NO_TOPIC,
    PaymentRow,
    Relations,
)
from proof.route import CHANGES, NO_STEP, OPENED, Route
from proof.scope import PG_EPOCH_US, US, Scope
from runtime.database import Connection

Rows = Iterator[tuple[Any, ...]]
Progress = Callable[[int], None]

_SIGNATURE_BYTES: Final = 19
_TRAILER: Final = b"\xff\xff"
_FIRST_NUMBER: Final = 1
"""PostgreSQL counts the places of an array from here."""


class Copied(NamedTuple):
    """What is copied, how each of its rows is laid out (as in `struct`), and where it goes."""

    query: str
    arguments: tuple[object, ...]
    layout: str
    take: Callable[[Rows], None]


async def copy_rows(connection: Connection, copied: Copied, progress: Progress) -> int:
    """Copy all rows of a query; how many there were. Defect if they are not as wide as said."""
    # Each row is preceded by the number of its fields, each field by its length.
    row = struct.Struct(">2x" + "".join(f"4x{field}" for field in copied.layout.split()))
    pending = bytearray()
    count = 0
    is_first = True

    async def sink(data: bytes) -> None:
        nonlocal count, is_first
        pending.extend(data)
        if is_first and len(pending) >= _SIGNATURE_BYTES:
            del pending[:_SIGNATURE_BYTES]
            is_first = False
        whole = len(pending) // row.size
        if whole and not is_first:
            size = whole * row.size
            copied.take(row.iter_unpack(bytes(pending[:size])))
            del pending[:size]
            count += whole
            progress(whole)

    await connection.copy_from_query(
        copied.query, *copied.arguments, output=sink, format="binary", timeout=COPY_S_MAX
    )
    if bytes(pending) != _TRAILER:
        raise Defect("a table's rows are not of the width that was asked for")
    return count


class TableReader:
    """Everything that is copied for a proof."""

    def __init__(self, route: Route, scope: Scope, relations: Relations, notices: Notices) -> None:
        self._notices = notices
        self._route = route
        self._scope = scope
        self._relations = relations
        self._since = (scope.window_us / US if scope.since is not None else float("-inf"),)

    def all(self) -> list[Copied]:
        """Every table; the inbox last, since it is the one whose old partitions are dropped."""
        ledger = [
            Copied(queries.POSTINGS, self._since, "16s 3s q", self._take_postings),
            Copied(queries.POINTERS, self._since, "16s 16s q", self._take_pointers),
        ]
        if self._scope.since is None:
            ledger += [
                Copied(queries.ACCOUNTS, (), "16s q q q", self._take_accounts),
                Copied(queries.ENTRIES, (), "16s 16s q q q 3s", self._take_entries),
            ]
        else:
            accounts, links = queries.ACCOUNTS_SINCE, queries.LINKS_SINCE
            ledger += [
                Copied(accounts, self._since, "16s q q q", self._take_accounts),
                Copied(links, self._since, "16s q q q h", self._take_links),
                Copied(queries.ENTRIES_SINCE, self._since, "16s 16s q q q 3s", self._take_moves),
            ]
        return [
            *ledger,
            Copied(queries.PAYMENTS, self._since, PAYMENT_LAYOUT, self.take_payments),
            Copied(queries.PROFILES, (), "16s 16s q", self._take_opened),
            Copied(queries.LEDGER_ACCOUNTS, (), "16s 16s q", self._take_opened),
            Copied(queries.CHANGES, (), "16s 16s q", self._take_changes),
            Copied(queries.HANDLES, (), "16s 16s q q", self._take_handles),
            *self._telling(),
            self._inbox(),
        ]

    def _telling(self) -> list[Copied]:
        """Webhooks; and notifications, unless another proof is continued."""
        told = [
            Copied(telling.DELIVERIES, self._since, "16s 16s 16s q h", self._take_deliveries),
            Copied(telling.STRAYS, (), "16s q", self._take_strays),
        ]
        if self._scope.since is None:
            subjects = (*self._since, list(telling.PAYMENT_SUBJECTS))
            layout = "16s 16s 16s 48s h h q q"
            told += [
                Copied(telling.HOLDERS, (), "16s h", self._notices.take_holders),
                Copied(telling.NOTICES, subjects, layout, self._notices.take_rows),
            ]
        return told

    def _inbox(self) -> Copied:
        """What every step has decided; of steps that see no payments, all of it."""
        steps = self._route.steps
        whole = [step for step, name in enumerate(steps) if not self._sees_payments(step)]
        return Copied(
            queries.INBOX,
            (steps, self._route.topic_names, [steps[step] for step in whole], *self._since),
            "16s 16s h h 16s q",
            self._take_inbox,
        )

    def _sees_payments(self, step: int) -> bool:
        return any(topic.startswith("payment.") for topic in self._route.read_by(step))

    def _take_inbox(self, rows: Rows) -> None:
        add = self._relations.add_inbox
        for event, idempotency, step, topic, digest, decided in rows:
            # No place in the array: a step or topic of a release that this one does not know.
            known_step = step - _FIRST_NUMBER if step > 0 else NO_STEP
            known_topic = NO_TOPIC if topic == 0 else (topic - _FIRST_NUMBER) & NO_STEP
            add(event, known_step, known_topic, digest, idempotency, decided + PG_EPOCH_US)

    def _take_accounts(self, rows: Rows) -> None:
        """The balance after the last entry, and before the first (`anchor` 0 is before any)."""
        relations = self._relations
        for account, count, balance_minor, first in rows:
            relations.add_link(account, count, balance_minor, relations.want)
            if first == _FIRST_NUMBER:
                relations.add_link(account, 0, 0, relations.have)

    def _take_entries(self, rows: Rows) -> None:
        relations = self._relations
        add, link, have, want = (
            relations.add_entry,
            relations.add_link,
            relations.have,
            relations.want,
        )
        for account, posting, sequence, amount_minor, balance_minor, currency in rows:
            add(posting, account, amount_minor, currency, sequence)
            link(account, sequence, balance_minor, have)
            link(account, sequence - 1, balance_minor - amount_minor, want)

    def _take_moves(self, rows: Rows) -> None:
        for account, posting, sequence, amount_minor, _, currency in rows:
            self._relations.add_entry(posting, account, amount_minor, currency, sequence)

    def _take_links(self, rows: Rows) -> None:
        relations = self._relations
        for account, sequence, amount_minor, balance_minor, is_anchor in rows:
            relations.add_link(account, sequence, balance_minor, relations.have)
            if not is_anchor:
                before_minor = balance_minor - amount_minor
                relations.add_link(account, sequence - 1, before_minor, relations.want)

    def _take_postings(self, rows: Rows) -> None:
        for posting, currency, posted in rows:
            self._relations.add_posting(posting, currency, posted + PG_EPOCH_US)

    def _take_pointers(self, rows: Rows) -> None:
        for posting, account, sequence in rows:
            self._relations.add_pointer(posting, account, sequence)

    def take_payments(self, rows: Rows) -> None:
        """Rows of the payments table."""
        for fields in rows:
            self._relations.add_row(payment_row(fields))

    def _take_deliveries(self, rows: Rows) -> None:
        for event, delivery, endpoint, created, is_test in rows:
            self._relations.add_delivery(event, delivery, endpoint, is_test, created + PG_EPOCH_US)

    def _take_strays(self, rows: Rows) -> None:
        for event, strayed in rows:
            self._relations.add_stray(event, strayed + PG_EPOCH_US)

    def _take_opened(self, rows: Rows) -> None:
        for digest, account, opened in rows:
            self._take_fact(digest, account, [OPENED], opened + PG_EPOCH_US)

    def _take_changes(self, rows: Rows) -> None:
        for digest, request, requested in rows:
            self._take_fact(digest, request, list(CHANGES), requested + PG_EPOCH_US)

    def _take_handles(self, rows: Rows) -> None:
        for digest, handle, version, requested in rows:
            self._take_fact(digest, handle, list(CHANGES), requested + PG_EPOCH_US)
            self._relations.add_version(handle, version, IN_TABLE)

    def _take_fact(self, digest: bytes, subject: bytes, topics: list[str], at_us: int) -> None:
        demanded = 0 if self._scope.may_be_gone(topics, at_us) else DEMANDED
        self._relations.add_fact(digest, subject, IN_TABLE | demanded)


PAYMENT_LAYOUT: Final = "16s q q q q q q q h 16s 16s 16s 16s 16s"


def payment_row(fields: tuple[Any, ...]) -> PaymentRow:
    """A row of the payments table as `queries.PAYMENTS` has it."""
    accepted, *times = (NEVER_US if at == NEVER_US else at + PG_EPOCH_US for at in fields[1:8])
    return PaymentRow(fields[0], accepted, tuple(times), *fields[8:])
