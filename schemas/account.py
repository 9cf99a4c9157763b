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

    Source: producers.payments (POST /accounts), producers.users (POST /users/me/wallets) and
            producers.chart_of_accounts (system accounts).
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


class FreezeReason(StrEnum):
    """Why somebody freezes an account, or lifts its freeze; a list, so that it names nobody."""

    SUSPECTED_FRAUD = "suspected_fraud"
    COURT_ORDER = "court_order"
    HOLDER_ASKED = "holder_asked"
    ACCOUNT_TAKEN_OVER = "account_taken_over"
    SETTLED = "settled"


class AccountFreezeRequested(AccountEvent):
    """Staff would stop an account, or let it go again.

    Source: producers.users (POST /admin/accounts/{id}/freeze, .../unfreeze), by its outbox.
    Key:    account_id, so that of a freeze and its lifting the later one stands.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "account.freeze-requested.v1"

    is_frozen: bool
    """Whether the account is to be frozen from now on."""
    reason: FreezeReason
    actor: ClientId
    client_id: ClientId | None = None
    """Whose account it is, so that they can be told; unknown of what was asked before they were."""


class AccountFrozen(AccountEvent):
    """The ledger refuses what would debit or credit the account, and new holds on it.

    Source: consumers.account_freezing, one for each request that was granted, also if it was
            frozen before.
    Key:    account_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "account.frozen.v1"

    reason: FreezeReason
    client_id: ClientId | None = None
    """Whose account it is."""


class AccountUnfrozen(AccountEvent):
    """The account may be debited and credited again.

    Source: consumers.account_freezing.
    Key:    account_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "account.unfrozen.v1"

    reason: FreezeReason
    client_id: ClientId | None = None
    """Whose account it is."""


class AccountFreezeRefused(AccountEvent):
    """There is no such account in the ledger: nothing was frozen, nothing let go.

    Source: consumers.account_freezing.
    Key:    account_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "account.freeze-refused.v1"
