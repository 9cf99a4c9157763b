"""The account.* topics: opening an account and what came of it."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from schemas.event import ClientId, Currency, RequestEvent


class AccountKind(StrEnum):
    """What an account is for."""

    WALLET = "wallet"
    """A person's money: never below zero."""
    SYSTEM = "system"
    """Titan's side of money that enters or leaves; may go negative."""


class Tier(StrEnum):
    """How well the holder is known; picks the limits of risk screening."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    BUSINESS = "business"
    SYSTEM = "system"


class AccountEvent(RequestEvent):
    """What all account events carry."""

    account_id: UUID

    @property
    def key(self) -> str:
        """The account."""
        return str(self.account_id)


class AccountOpeningRequested(AccountEvent):
    """Somebody asked for an account.

    Source: producers.payments (POST /accounts) and producers.chart_of_accounts (system accounts).
    Key:    account_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "account.opening-requested.v1"

    client_id: ClientId
    kind: AccountKind
    tier: Tier
    currency: Currency


class AccountOpened(AccountEvent):
    """The account stands in the ledger with a balance of zero.

    Source: consumers.account_opening, one for each request that was granted.
    Key:    account_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "account.opened.v1"

    client_id: ClientId
    kind: AccountKind
    tier: Tier
    currency: Currency


class AccountRefusalCode(StrEnum):
    """Why an account was not opened."""

    ACCOUNT_EXISTS = "account_exists"
    """The id names an account with other properties."""
    UNKNOWN_CURRENCY = "unknown_currency"
    """The currency is not one that money is held in."""


class AccountOpeningRefused(AccountEvent):
    """The account was not opened.

    Source: consumers.account_opening.
    Key:    account_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "account.opening-refused.v1"

    code: AccountRefusalCode
