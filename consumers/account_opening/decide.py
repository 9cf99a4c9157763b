"""Which accounts are opened. An id names one account for ever.

A request for an account that stands with the same properties is granted again and opens nothing;
with other properties it is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.account import NO_MINIMUM_MINOR, AccountOpening
from domain.money import is_currency
from schemas.account import (
    AccountKind,
    AccountOpened,
    AccountOpeningRefused,
    AccountOpeningRequested,
    AccountRefusalCode,
    Tier,
)

Outcome = AccountOpened | AccountOpeningRefused


@dataclass(frozen=True, slots=True)
class AccountProperties:
    """What an account is opened as, and stays."""

    client_id: str
    kind: AccountKind
    tier: Tier
    currency: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a batch comes to: an outcome for each request, and those that open something."""

    outcomes: list[Outcome]
    opened: list[AccountOpened]


def decide_batch(
    requests: Sequence[AccountOpeningRequested], accounts: Mapping[UUID, AccountProperties]
) -> Decisions:
    """Decide in order, each request seeing those before it; `accounts` are those that stand."""
    standing = dict(accounts)
    decisions = Decisions([], [])
    for request in requests:
        known = standing.get(request.account_id)
        outcome = decide(request, known)
        decisions.outcomes.append(outcome)
        if known is None and isinstance(outcome, AccountOpened):
            standing[request.account_id] = properties_of(request)
            decisions.opened.append(outcome)
    return decisions


def decide(request: AccountOpeningRequested, known: AccountProperties | None) -> Outcome:
    """The outcome of one request; `known` is the account that has its id."""
    if known is not None and known != properties_of(request):
        return _refused(request, AccountRefusalCode.ACCOUNT_EXISTS)
    if not is_currency(request.currency):
        return _refused(request, AccountRefusalCode.UNKNOWN_CURRENCY)
    return AccountOpened(
        request_id=request.request_id,
        requested_at=request.requested_at,
        account_id=request.account_id,
        client_id=request.client_id,
        kind=request.kind,
        tier=request.tier,
        currency=request.currency,
    )


def properties_of(event: AccountOpeningRequested | AccountOpened) -> AccountProperties:
    """The properties that an event names."""
    return AccountProperties(event.client_id, event.kind, event.tier, event.currency)


def opening_of(event: AccountOpened) -> AccountOpening:
    """What is asked of the ledger: a wallet never falls below zero, a system account may."""
    minimum_minor = NO_MINIMUM_MINOR if event.kind is AccountKind.SYSTEM else 0
    return AccountOpening(event.account_id, event.currency, minimum_minor)


def _refused(request: AccountOpeningRequested, code: AccountRefusalCode) -> AccountOpeningRefused:
    return AccountOpeningRefused(
        request_id=request.request_id,
        requested_at=request.requested_at,
        account_id=request.account_id,
        code=code,
    )
