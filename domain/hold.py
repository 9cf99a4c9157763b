"""Holds: money reserved on an account, later captured (all or part), voided, or expired.

A hold ends once. Freezing an account stops new holds, and neither captures nor voids of earlier
ones: that money was promised before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.account import BALANCE_MINOR_MAX, Account, changed_accounts
from domain.errors import Defect
from domain.posting import LedgerRefusal, Posted, Posting, Refused, apply_posting, same_or_defect


class HoldEnd(StrEnum):
    """How a hold came to its end."""

    CAPTURED = "captured"
    """A posting took all or part of it; the rest was released."""
    VOIDED = "voided"
    """Released whole, because somebody said so."""
    EXPIRED = "expired"
    """Released whole, because its time was over."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Money to reserve. Its id derives from its cause. Defect unless the amount is 1 to 64 bits."""

    hold_id: UUID
    account_id: UUID
    currency: str
    amount_minor: int
    expires_at: datetime | None = None
    """From this time on `expire` may end it; until `expire` does, it can still be captured."""

    def __post_init__(self) -> None:
        amount_minor = self.amount_minor
        if type(amount_minor) is not int or not 0 < amount_minor <= BALANCE_MINOR_MAX:
            raise Defect(f"hold {self.hold_id}: the amount is no positive 64-bit number")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise Defect(f"hold {self.hold_id}: the time of expiry names no time zone")


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as placed. A repeat is answered with the same, also after the hold has ended."""

    hold: Hold
    held_at: datetime


@dataclass(frozen=True, slots=True)
class Capture:
    """Take all or part of a hold: the posting debits the account that the hold is on."""

    hold_id: UUID
    posting: Posting


@dataclass(frozen=True, slots=True)
class Ended:
    """A hold at its end."""

    hold_id: UUID
    how: HoldEnd
    ended_at: datetime
    posting_id: UUID | None = None
    """The posting that captured it, if one did."""


@dataclass(frozen=True, slots=True)
class HoldRefused:
    """A hold that was not placed, or not voided; nothing was stored."""

    hold_id: UUID
    code: LedgerRefusal


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """All that the ledger keeps of one hold; `ended` is None while it is open."""

    held: Held
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class HoldDecisions:
    """What a batch of holds comes to."""

    results: list[Held | HoldRefused]
    fresh: list[Held]
    accounts: list[Account]


@dataclass(frozen=True, slots=True)
class CaptureDecisions:
    """What a batch of captures comes to."""

    results: list[Posted | Refused]
    fresh: list[Posted]
    ended: list[Ended]
    accounts: list[Account]


@dataclass(frozen=True, slots=True)
class ReleaseDecisions:
    """What a batch of voids, or of expiries, comes to."""

    results: list[Ended | HoldRefused]
    ended: list[Ended]
    accounts: list[Account]


def decide_holds(
    holds: Sequence[Hold],
    *,
    accounts: Mapping[UUID, Account],
    known: Mapping[UUID, HoldRecord],
    now: datetime,
) -> HoldDecisions:
    """Decide a batch in order, each hold seeing those before it.

    `accounts` and `known` as for postings. Defect if a known id comes with other contents.
    """
    working = dict(accounts)
    placed = {hold_id: record.held for hold_id, record in known.items()}
    results: list[Held | HoldRefused] = []
    fresh: list[Held] = []
    for hold in holds:
        first = placed.get(hold.hold_id)
        if first is not None:
            if first.hold != hold:
                raise Defect(f"hold {hold.hold_id} is placed with other contents")
            results.append(first)
            continue
        code = _hold_refusal(hold, working.get(hold.account_id))
        if code is not None:
            results.append(HoldRefused(hold.hold_id, code))
            continue
        _change_held(working, hold.account_id, hold.amount_minor)
        held = Held(hold, now)
        placed[hold.hold_id] = held
        fresh.append(held)
        results.append(held)
    return HoldDecisions(results, fresh, changed_accounts(accounts, working))


def decide_captures(
    captures: Sequence[Capture],
    *,
    accounts: Mapping[UUID, Account],
    known: Mapping[UUID, Posted],
    holds: Mapping[UUID, HoldRecord],
    now: datetime,
) -> CaptureDecisions:
    """Decide a batch in order, each capture seeing those before it.

    `holds` has every hold named that exists. Defect if a known posting comes with other contents
    or another hold, and if a capture does not debit the account that its hold is on.
    """
    working = dict(accounts)
    recorded = dict(known)
    records = dict(holds)
    results: list[Posted | Refused] = []
    fresh: list[Posted] = []
    ended: list[Ended] = []
    for capture in captures:
        posting = capture.posting
        first = recorded.get(posting.posting_id)
        if first is not None:
            results.append(same_or_defect(first, posting, hold_id=capture.hold_id))
            continue
        outcome = _capture(capture, records.get(capture.hold_id), working, now)
        results.append(outcome)
        if isinstance(outcome, Posted):
            recorded[posting.posting_id] = outcome
            fresh.append(outcome)
            end = Ended(capture.hold_id, HoldEnd.CAPTURED, now, posting.posting_id)
            ended.append(end)
            records[capture.hold_id] = replace(records[capture.hold_id], ended=end)
    return CaptureDecisions(results, fresh, ended, changed_accounts(accounts, working))


def decide_releases(
    hold_ids: Iterable[UUID],
    how: HoldEnd,
    *,
    accounts: Mapping[UUID, Account],
    holds: Mapping[UUID, HoldRecord],
    now: datetime,
) -> ReleaseDecisions:
    """End holds without a posting, in order; one that ended in the same way before is a repeat."""
    working = dict(accounts)
    records = dict(holds)
    results: list[Ended | HoldRefused] = []
    ended: list[Ended] = []
    for hold_id in hold_ids:
        record = records.get(hold_id)
        if record is None:
            results.append(HoldRefused(hold_id, LedgerRefusal.UNKNOWN_HOLD))
        elif record.ended is None:
            hold = record.held.hold
            _change_held(working, hold.account_id, -hold.amount_minor)
            end = Ended(hold_id, how, now)
            records[hold_id] = replace(record, ended=end)
            ended.append(end)
            results.append(end)
        elif record.ended.how is how:
            results.append(record.ended)
        else:
            results.append(HoldRefused(hold_id, LedgerRefusal.HOLD_ENDED))
    return ReleaseDecisions(results, ended, changed_accounts(accounts, working))


def _hold_refusal(hold: Hold, account: Account | None) -> LedgerRefusal | None:
    if account is None:
        return LedgerRefusal.UNKNOWN_ACCOUNT
    if account.currency != hold.currency:
        return LedgerRefusal.CURRENCY_MISMATCH
    if account.is_frozen:
        return LedgerRefusal.ACCOUNT_FROZEN
    if account.available_minor - hold.amount_minor < account.minimum_minor:
        return LedgerRefusal.INSUFFICIENT_FUNDS
    if account.held_minor + hold.amount_minor > BALANCE_MINOR_MAX:
        return LedgerRefusal.BALANCE_OVERFLOW
    return None


def _capture(
    capture: Capture, record: HoldRecord | None, accounts: dict[UUID, Account], now: datetime
) -> Posted | Refused:
    posting = capture.posting
    if record is None:
        return Refused(posting.posting_id, LedgerRefusal.UNKNOWN_HOLD)
    hold = record.held.hold
    debit_minor = sum(
        -entry.amount_minor for entry in posting.entries if entry.account_id == hold.account_id
    )
    if debit_minor <= 0:
        raise Defect(f"posting {posting.posting_id} does not debit the account its hold is on")
    if record.ended is not None:
        return Refused(posting.posting_id, LedgerRefusal.HOLD_ENDED)
    if debit_minor > hold.amount_minor:
        return Refused(posting.posting_id, LedgerRefusal.HOLD_EXCEEDED)
    # Release first, so that the posting is measured against the money the hold kept for it.
    account = accounts[hold.account_id]
    _change_held(accounts, hold.account_id, -hold.amount_minor)
    entries = apply_posting(posting, accounts, frozen_too=True)
    if isinstance(entries, LedgerRefusal):
        accounts[hold.account_id] = account
        return Refused(posting.posting_id, entries)
    return Posted(posting.posting_id, posting.currency, now, entries, capture.hold_id)


def _change_held(accounts: dict[UUID, Account], account_id: UUID, by_minor: int) -> None:
    account = accounts[account_id]
    accounts[account_id] = account._replace(held_minor=account.held_minor + by_minor)
