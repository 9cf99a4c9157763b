"""Which accounts a batch of requests leaves frozen, and what came of each request."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from schemas.account import (
    AccountFreezeRefused,
    AccountFreezeRequested,
    AccountFrozen,
    AccountUnfrozen,
)

Outcome = AccountFrozen | AccountUnfrozen | AccountFreezeRefused


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the last request about each account asks for; no account is in both."""

    freeze: frozenset[UUID]
    unfreeze: frozenset[UUID]


def wishes_of(requests: Sequence[AccountFreezeRequested]) -> Wishes:
    """What is asked of the ledger: of several requests about one account the last one stands."""
    last = {request.account_id: request.is_frozen for request in requests}
    freeze = frozenset(account_id for account_id, is_frozen in last.items() if is_frozen)
    return Wishes(freeze, frozenset(last) - freeze)


def outcome_of(request: AccountFreezeRequested, unknown: Collection[UUID]) -> Outcome:
    """The event that tells what became of a request; `unknown` are ids that name no account."""
    request_id, requested_at = request.request_id, request.requested_at
    account_id, reason = request.account_id, request.reason
    if account_id in unknown:
        return AccountFreezeRefused(
            request_id=request_id, requested_at=requested_at, account_id=account_id
        )
    made = AccountFrozen if request.is_frozen else AccountUnfrozen
    return made(
        request_id=request_id,
        requested_at=requested_at,
        account_id=account_id,
        reason=reason,
        client_id=request.client_id,
    )
