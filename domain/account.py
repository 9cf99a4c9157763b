"""Accounts of the ledger: what they hold, what may be spent, and how one is opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from domain.errors import Defect
from domain.money import is_currency

BALANCE_MINOR_MAX: Final = 2**63 - 1
"""Largest balance, and largest amount of one entry either way: what 64 bits with a sign hold."""

NO_MINIMUM_MINOR: Final = -(2**63)
"""The minimum of an account that may go below zero as far as 64 bits reach (system accounts)."""


# A NamedTuple, as are entries once posted: thousands are made a second, a frozen dataclass costs
# three times as much to make, and rows of the database become these as they are.
class Account(NamedTuple):
    """An account as it stands: amounts in minor units of its currency.

    `entry_count` is also the sequence of its newest entry; `minimum_minor` is the lowest that
    `available_minor` may go.
    """

    account_id: UUID
    currency: str
    minimum_minor: int
    balance_minor: int
    held_minor: int
    entry_count: int
    is_frozen: bool

    @property
    def available_minor(self) -> int:
        """The balance less what is held."""
        return self.balance_minor - self.held_minor


@dataclass(frozen=True, slots=True)
class AccountOpening:
    """An account to open, with nothing in it. Defect if it could not hold money at zero."""

    account_id: UUID
    currency: str
    minimum_minor: int = 0
    """The lowest the available balance may go: 0 for a wallet, NO_MINIMUM_MINOR for no limit."""

    def __post_init__(self) -> None:
        if not is_currency(self.currency):
            raise Defect(f"account {self.account_id} has no currency that money is held in")
        if not NO_MINIMUM_MINOR <= self.minimum_minor <= 0:
            raise Defect(f"account {self.account_id} would open below its minimum")


@dataclass(frozen=True, slots=True)
class Opened:
    """An account as it was opened; a repeat of the opening is answered with the same."""

    account_id: UUID
    currency: str
    minimum_minor: int
    opened_at: datetime


def opened_or_defect(first: Opened, opening: AccountOpening) -> Opened:
    """The first opening, if this one says what it said."""
    before = (first.account_id, first.currency, first.minimum_minor)
    if before != (opening.account_id, opening.currency, opening.minimum_minor):
        raise Defect(f"account {opening.account_id} is open with other contents")
    return first


def changed_accounts(
    before: Mapping[UUID, Account], after: Mapping[UUID, Account]
) -> list[Account]:
    """Those of `after` that are not as in `before`; both hold the same accounts in one order."""
    return [new for old, new in zip(before.values(), after.values(), strict=True) if new is not old]
