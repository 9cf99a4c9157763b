"""Double entry: a posting is a balanced set of entries, recorded once and whole, or refused.

Both ledgers (in memory and on PostgreSQL) decide here, so they cannot differ in what they allow.
Signs: a credit is positive and raises the balance, a debit is negative and lowers it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.account import BALANCE_MINOR_MAX, Account, changed_accounts
from domain.errors import Defect


class LedgerRefusal(StrEnum):
    """Why the ledger says no. A value, never raised; nothing is stored and the id stays free."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    """Balance less holds would fall below the account's minimum."""
    ACCOUNT_FROZEN = "account_frozen"
    """The account takes neither debits nor credits nor new holds."""
    UNKNOWN_ACCOUNT = "unknown_account"
    CURRENCY_MISMATCH = "currency_mismatch"
    """The account is kept in another currency."""
    BALANCE_OVERFLOW = "balance_overflow"
    """The balance, or the sum of the holds, would not fit in a signed 64-bit number."""
    UNKNOWN_HOLD = "unknown_hold"
    HOLD_ENDED = "hold_ended"
    """The hold was captured by another posting, or voided, or has expired."""
    HOLD_EXCEEDED = "hold_exceeded"
    """A capture asks for more than was held."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One debit (negative) or credit (positive) on one account, in minor units."""

    account_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Posting:
    """What is to be recorded at once. Its id derives from its cause, so a repeat is recognised.

    Defect unless it has two entries or more, none of them zero or outside 64 bits, each on an
    account of its own, and they sum to zero. Does not check that the accounts exist.
    """

    posting_id: UUID
    currency: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        total_minor = 0
        for entry in self.entries:
            amount_minor = entry.amount_minor
            # `type` and not isinstance: True is no amount of money.
            if type(amount_minor) is not int or not 0 < abs(amount_minor) <= BALANCE_MINOR_MAX:
                raise Defect(f"posting {self.posting_id}: an amount is no 64-bit number or zero")
            total_minor += amount_minor
        if total_minor != 0 or not self.entries:
            raise Defect(f"posting {self.posting_id} does not balance: {total_minor}")
        if len({entry.account_id for entry in self.entries}) != len(self.entries):
            raise Defect(f"posting {self.posting_id} names an account twice")


class PostedEntry(NamedTuple):
    """An entry as recorded: its place in the account's history and the balance it left."""

    account_id: UUID
    amount_minor: int
    sequence: int
    balance_after_minor: int


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting as recorded. A repeat of the posting is answered with the same, field by field."""

    posting_id: UUID
    currency: str
    posted_at: datetime
    entries: tuple[PostedEntry, ...]
    """In the order in which the posting gave them."""
    hold_id: UUID | None = None
    """The hold that this posting captured, if it captured one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A posting that was not recorded, wholly; the same id may be tried again."""

    posting_id: UUID
    code: LedgerRefusal


@dataclass(frozen=True, slots=True)
class PostingDecisions:
    """What a batch of postings comes to: an answer to each, and what is to be written."""

    results: list[Posted | Refused]
    fresh: list[Posted]
    """Those of the results that are not recorded yet."""
    accounts: list[Account]
    """The accounts that changed, as they are to stand."""


def decide_postings(
    postings: Sequence[Posting],
    *,
    accounts: Mapping[UUID, Account],
    known: Mapping[UUID, Posted],
    now: datetime,
) -> PostingDecisions:
    """Decide a batch in order, each posting seeing what those before it did.

    `accounts` holds every account named that exists, `known` every posting of these ids that is
    recorded. Defect if a known id comes with other contents.
    """
    working = dict(accounts)
    recorded = dict(known)
    results: list[Posted | Refused] = []
    fresh: list[Posted] = []
    for posting in postings:
        first = recorded.get(posting.posting_id)
        if first is not None:
            results.append(same_or_defect(first, posting, hold_id=None))
            continue
        entries = apply_posting(posting, working)
        if isinstance(entries, LedgerRefusal):
            results.append(Refused(posting.posting_id, entries))
            continue
        posted = Posted(posting.posting_id, posting.currency, now, entries)
        recorded[posting.posting_id] = posted
        fresh.append(posted)
        results.append(posted)
    return PostingDecisions(results, fresh, changed_accounts(accounts, working))


def apply_posting(
    posting: Posting, accounts: dict[UUID, Account], *, frozen_too: bool = False
) -> tuple[PostedEntry, ...] | LedgerRefusal:
    """Move the money between `accounts`, or leave them as they are and say why not.

    The entries are asked in their order, so the first that cannot be gives the reason.
    """
    changed: list[Account] = []
    entries: list[PostedEntry] = []
    for entry in posting.entries:
        account = accounts.get(entry.account_id)
        if account is None:
            return LedgerRefusal.UNKNOWN_ACCOUNT
        account_id, currency, minimum_minor, balance_minor, held_minor, sequence, frozen = account
        if currency != posting.currency:
            return LedgerRefusal.CURRENCY_MISMATCH
        if frozen and not frozen_too:
            return LedgerRefusal.ACCOUNT_FROZEN
        balance_minor += entry.amount_minor
        if balance_minor - held_minor < minimum_minor:
            return LedgerRefusal.INSUFFICIENT_FUNDS
        if balance_minor > BALANCE_MINOR_MAX:
            return LedgerRefusal.BALANCE_OVERFLOW
        sequence += 1
        changed.append(
            Account(
                account_id, currency, minimum_minor, balance_minor, held_minor, sequence, frozen
            )
        )
        entries.append(PostedEntry(account_id, entry.amount_minor, sequence, balance_minor))
    for account in changed:
        accounts[account.account_id] = account
    return tuple(entries)


def same_or_defect(first: Posted, posting: Posting, *, hold_id: UUID | None) -> Posted:
    """The first recording, if the posting says what it said; the order of entries says nothing."""
    before = {(entry.account_id, entry.amount_minor) for entry in first.entries}
    after = {(entry.account_id, entry.amount_minor) for entry in posting.entries}
    if (before, first.currency, first.hold_id) != (after, posting.currency, hold_id):
        raise Defect(f"posting {posting.posting_id} is recorded with other contents")
    return first
