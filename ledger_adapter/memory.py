"""The ledger in memory: for tests and the simulator. Same rules, same answers, no server."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from domain.account import Account, AccountOpening, Opened, opened_or_defect
from domain.errors import Defect
from domain.hold import (
    Capture,
    Ended,
    Held,
    Hold,
    HoldEnd,
    HoldRecord,
    HoldRefused,
    decide_captures,
    decide_holds,
    decide_releases,
)
from domain.posting import Posted, Posting, Refused, decide_postings
from ledger_adapter.ports import AccountEntry, MemoryUnit, Unit

Value = TypeVar("Value")


class MemoryLedger:
    """The `Ledger` and the `LedgerReader` over dictionaries.

    Every value in them is immutable, so a shallow copy is a snapshot. There are no locks: of two
    units that overlap in time, the one that rolls back takes the other's writes along. And it
    reads what is not yet committed. Run units one after another.
    """

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._opened: dict[UUID, Opened] = {}
        self._accounts: dict[UUID, Account] = {}
        self._postings: dict[UUID, Posted] = {}
        self._entries: dict[tuple[UUID, int], AccountEntry] = {}
        self._holds: dict[UUID, HoldRecord] = {}

    def snapshot(self) -> object:
        """A copy that later writes do not change."""
        return (
            dict(self._opened),
            dict(self._accounts),
            dict(self._postings),
            dict(self._entries),
            dict(self._holds),
        )

    def restore(self, snapshot: object) -> None:
        """Put the state back to a snapshot."""
        if not isinstance(snapshot, tuple):
            raise Defect("this is no snapshot of a memory ledger")
        self._opened, self._accounts, self._postings, self._entries, self._holds = snapshot

    async def open(self, batch: Sequence[AccountOpening], *, unit: Unit) -> list[Opened]:
        """Open accounts, empty."""
        self._enlist(unit)
        now = self._now()
        results: list[Opened] = []
        for opening in batch:
            account_id, currency, minimum_minor = (
                opening.account_id,
                opening.currency,
                opening.minimum_minor,
            )
            first = self._opened.setdefault(
                account_id, Opened(account_id, currency, minimum_minor, now)
            )
            results.append(opened_or_defect(first, opening))
            self._accounts.setdefault(
                account_id, Account(account_id, currency, minimum_minor, 0, 0, 0, is_frozen=False)
            )
        return results

    async def post(self, batch: Sequence[Posting], *, unit: Unit) -> list[Posted | Refused]:
        """Record each posting whole, or refuse it whole."""
        self._enlist(unit)
        decisions = decide_postings(
            batch, accounts=self._accounts_of(batch), known=self._postings, now=self._now()
        )
        self._record(decisions.fresh, decisions.accounts)
        return decisions.results

    async def hold(self, batch: Sequence[Hold], *, unit: Unit) -> list[Held | HoldRefused]:
        """Reserve money."""
        self._enlist(unit)
        accounts = _those(self._accounts, (hold.account_id for hold in batch))
        decisions = decide_holds(batch, accounts=accounts, known=self._holds, now=self._now())
        self._holds.update((held.hold.hold_id, HoldRecord(held)) for held in decisions.fresh)
        self._set_accounts(decisions.accounts)
        return decisions.results

    async def capture(self, batch: Sequence[Capture], *, unit: Unit) -> list[Posted | Refused]:
        """End each hold by a posting that takes all or part of it."""
        self._enlist(unit)
        decisions = decide_captures(
            batch,
            accounts=self._accounts_of(capture.posting for capture in batch),
            known=self._postings,
            holds=self._holds,
            now=self._now(),
        )
        self._record(decisions.fresh, decisions.accounts)
        self._end_holds(decisions.ended)
        return decisions.results

    async def void(self, batch: Sequence[UUID], *, unit: Unit) -> list[Ended | HoldRefused]:
        """Release these holds whole."""
        self._enlist(unit)
        decisions = decide_releases(
            batch,
            HoldEnd.VOIDED,
            accounts=self._accounts,
            holds=self._holds,
            now=self._now(),
        )
        self._end_holds(decisions.ended)
        self._set_accounts(decisions.accounts)
        return decisions.results

    async def expire(self, *, now: datetime, limit: int, unit: Unit) -> list[Ended]:
        """Release up to `limit` open holds whose time is over at `now`, the oldest first."""
        self._enlist(unit)
        due = sorted(
            (hold.expires_at, hold.hold_id)
            for hold in (record.held.hold for record in self._holds.values() if not record.ended)
            if hold.expires_at is not None and hold.expires_at <= now
        )
        decisions = decide_releases(
            [hold_id for _, hold_id in due[:limit]],
            HoldEnd.EXPIRED,
            accounts=self._accounts,
            holds=self._holds,
            now=self._now(),
        )
        self._end_holds(decisions.ended)
        self._set_accounts(decisions.accounts)
        return decisions.ended

    async def freeze(self, account_ids: Collection[UUID], *, unit: Unit) -> frozenset[UUID]:
        """Stop debits, credits and new holds; the ids that name no account are returned."""
        return self._set_frozen(account_ids, is_frozen=True, unit=unit)

    async def unfreeze(self, account_ids: Collection[UUID], *, unit: Unit) -> frozenset[UUID]:
        """Lift the freeze; the ids that name no account are returned."""
        return self._set_frozen(account_ids, is_frozen=False, unit=unit)

    async def balances(self, account_ids: Collection[UUID]) -> dict[UUID, Account]:
        """These accounts as they stand; ids that name no account are absent."""
        return _those(self._accounts, account_ids)

    async def entries(
        self, account_id: UUID, *, before_sequence: int | None = None, limit: int
    ) -> list[AccountEntry]:
        """Up to `limit` entries, the newest first, each with the balance it left."""
        account = self._accounts.get(account_id)
        newest = account.entry_count if account else 0
        if before_sequence is not None:
            newest = min(newest, before_sequence - 1)
        oldest = max(newest - limit + 1, 1)
        return [self._entries[account_id, sequence] for sequence in range(newest, oldest - 1, -1)]

    async def postings(self, posting_ids: Collection[UUID]) -> dict[UUID, Posted]:
        """These postings as recorded; absent are those never recorded."""
        return _those(self._postings, posting_ids)

    def _enlist(self, unit: Unit) -> None:
        if not isinstance(unit, MemoryUnit):
            raise Defect("the memory ledger was given a unit that cannot put it back")
        unit.enlist(self)

    def _accounts_of(self, postings: Iterable[Posting]) -> dict[UUID, Account]:
        return _those(
            self._accounts, (entry.account_id for posting in postings for entry in posting.entries)
        )

    def _set_accounts(self, accounts: Iterable[Account]) -> None:
        self._accounts.update((account.account_id, account) for account in accounts)

    def _record(self, fresh: Iterable[Posted], accounts: Iterable[Account]) -> None:
        for posted in fresh:
            self._postings[posted.posting_id] = posted
            for entry in posted.entries:
                self._entries[entry.account_id, entry.sequence] = AccountEntry(
                    entry.sequence,
                    posted.posting_id,
                    entry.amount_minor,
                    entry.balance_after_minor,
                    posted.posted_at,
                )
        self._set_accounts(accounts)

    def _end_holds(self, ended: Iterable[Ended]) -> None:
        self._holds.update(
            (end.hold_id, replace(self._holds[end.hold_id], ended=end)) for end in ended
        )

    def _set_frozen(
        self, account_ids: Collection[UUID], *, is_frozen: bool, unit: Unit
    ) -> frozenset[UUID]:
        self._enlist(unit)
        known = _those(self._accounts, account_ids)
        self._set_accounts(account._replace(is_frozen=is_frozen) for account in known.values())
        return frozenset(account_ids) - known.keys()


def _those(values: Mapping[UUID, Value], ids: Iterable[UUID]) -> dict[UUID, Value]:
    return {wanted: values[wanted] for wanted in ids if wanted in values}
