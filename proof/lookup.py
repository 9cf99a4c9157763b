"""What the sets alone cannot settle, asked of the tables by id, a thousand at a time.

Rows of the inbox and of the ledger are written once, so a later look shows what the snapshot
showed, and perhaps more; a later look at a payment's row shows no less.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

from proof import queries
from proof.chains import ChainJoin
from proof.findings import Check, Findings
from proof.limits import LOOKUP_ROWS_MAX
from proof.money import MoneyJoin
from proof.payments import PaymentJoin
from proof.relations import long_at
from proof.route import NO_STEP, Route
from proof.scope import Scope
from proof.tables import PAYMENT_LAYOUT, Copied, copy_rows, payment_row
from proof.take import Taker
from runtime.database import Connection

T = TypeVar("T")


class Lookup:
    """Settles what the joins have left."""

    def __init__(
        self, connection: Connection, route: Route, scope: Scope, findings: Findings
    ) -> None:
        self._connection = connection
        self._route = route
        self._scope = scope
        self._findings = findings

    async def unhandled(self, chains: ChainJoin) -> None:
        """Events behind the offsets and without a row of their own.

        Fine if the step knows their idempotency id with another event (a conflict), or decided
        about them before what was read. Anything else was passed over.
        """
        for rows in _slices(chains.left.unhandled):
            known = await self._inbox([row[33:49] for row in rows])
            for row in rows:
                step, event = self._route.steps[row[16]], UUID(bytes=row[:16])
                found = [each for each in known[row[33:49]] if each["step"] == step]
                if not any(each["event_id"] != event or self._is_old(each) for each in found):
                    self._findings.fault(
                        Check.OFFSETS,
                        f"{step} has committed past event {event}, and its inbox has no row of it",
                        subject=row[17:33],
                    )

    async def unpublished(self, chains: ChainJoin, taker: Taker) -> None:
        """Let outcomes that are on their way explain what the tables show of them."""
        for rows in _slices(chains.left.unpublished):
            known = await self._inbox([row[34:50] for row in rows])
            self._findings.note("outcomes on their way", len(rows))
            for row in rows:
                for found in known[row[34:50]]:
                    if found["step"] == self._step(row[16]) and found["outcome_topic"]:
                        taker.take_outcome(found["outcome_topic"], found["outcome"])

    async def undecided(self, chains: ChainJoin) -> None:
        """Events of a stage without a decision: only a continued proof may have to look back."""
        for pairs in _slices(chains.left.undecided):
            known: dict[bytes, list[Any]] = defaultdict(list)
            if self._scope.since is not None:
                known = await self._inbox([idempotency for _, idempotency in pairs])
            for row, idempotency in pairs:
                decided = any(
                    found["step"] == self._step(row[16])
                    and found["event_id"].bytes == row[:16]
                    and found["outcome_topic"] == self._route.topic_names[row[33]]
                    and found["digest"] == row[34:50]
                    for found in known[idempotency]
                )
                if not decided:
                    chains.undecided(row)

    async def unprojected(self, payments: PaymentJoin) -> None:
        """Payments whose row is older than what was read."""
        for ids in _slices(payments.unprojected):
            rows: dict[bytes, Any] = {}

            def take(found: Iterator[tuple[Any, ...]], rows: dict[bytes, Any] = rows) -> None:
                rows.update((fields[0], payment_row(fields)) for fields in found)

            if self._scope.since is not None:
                wanted = ([UUID(bytes=id_) for id_ in ids],)
                copied = Copied(queries.PAYMENTS_NAMED, wanted, PAYMENT_LAYOUT, take)
                await copy_rows(self._connection, copied, lambda _count: None)
            for id_ in ids:
                payments.project_last(id_, rows.get(id_))

    async def unposted(self, money: MoneyJoin) -> None:
        """Entries that events ask for; a continued proof may have to look back for them."""
        for rows in _slices(money.unposted):
            found: set[tuple[bytes, bytes, int, str]] = set()
            if self._scope.since is not None:
                ids = [UUID(bytes=row[:16]) for row in rows]
                entries = await self._connection.fetch(queries.ENTRIES_NAMED, ids)
                found = {
                    (
                        each["posting_id"].bytes,
                        each["account_id"].bytes,
                        each["amount_minor"],
                        each["currency"],
                    )
                    for each in entries
                }
            for row in rows:
                key = row[:16], row[16:32], long_at(row, 32), row[40:43].decode()
                if key not in found:
                    money.unposted_fault(row)

    async def _inbox(self, idempotency_ids: Sequence[bytes]) -> dict[bytes, list[Any]]:
        ids = [UUID(bytes=id_) for id_ in set(idempotency_ids)]
        known: dict[bytes, list[Any]] = defaultdict(list)
        for found in await self._connection.fetch(queries.INBOX_NAMED, ids):
            known[found["idempotency_id"].bytes].append(found)
        return known

    def _is_old(self, found: Any) -> bool:  # noqa: ANN401 - a row as the driver has it
        since = self._scope.since
        return since is not None and found["decided_at"].timestamp() * 1e6 < self._scope.window_us

    def _step(self, number: int) -> str | None:
        return None if number == NO_STEP else self._route.steps[number]


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), LOOKUP_ROWS_MAX):
        yield items[start : start + LOOKUP_ROWS_MAX]
