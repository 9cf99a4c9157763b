"""Who holds a handle. Requests are decided in order, each seeing those before it.

A claim wins a handle that nobody holds, for an account of the client that asks. A held handle is
refused to everybody, its holder and the account it names already included: that would change
nothing, and a repeat of the request that won is never decided again. Only the holder may port or
release; to others the handle is unknown, as it is when nobody holds it, and so is an account of
another client.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from domain.directory import HandleEntry, HandleTarget
from schemas.handle import (
    HandleClaimed,
    HandleClaimRefused,
    HandleClaimRequested,
    HandlePorted,
    HandlePortRequested,
    HandleRefusalCode,
    HandleReleased,
    HandleReleaseRequested,
    entry_of,
)

Request = HandleClaimRequested | HandlePortRequested | HandleReleaseRequested
Outcome = HandleClaimed | HandlePorted | HandleReleased | HandleClaimRefused


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Whose an account is, and its currency (ISO 4217)."""

    client_id: str
    currency: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decisions of one batch rest on; what is not in it does not exist."""

    handles: Mapping[str, HandleEntry]
    accounts: Mapping[UUID, AccountFacts]
    decided: AbstractSet[UUID]
    """Requests that were decided before, of which the inbox need not know any more."""


def decide_batch(requests: Sequence[Request], facts: Facts) -> list[Outcome | None]:
    """One outcome for each request, in order; None for one that was decided before."""
    handles = dict(facts.handles)
    outcomes: list[Outcome | None] = []
    for request in requests:
        if request.request_id in facts.decided:
            outcomes.append(None)
            continue
        entry = handles.get(request.handle)
        account = None
        if not isinstance(request, HandleReleaseRequested):
            account = facts.accounts.get(request.account_id)
        outcome = decide(request, entry, account)
        outcomes.append(outcome)
        if not isinstance(outcome, HandleClaimRefused):
            handles[request.handle] = entry_of(outcome)
    return outcomes


def decide(request: Request, entry: HandleEntry | None, account: AccountFacts | None) -> Outcome:
    """The outcome of one request about the handle `entry` and the account it asks for."""
    version = 1 if entry is None else entry.version + 1
    held = None if entry is None else entry.target
    if isinstance(request, HandleClaimRequested):
        if held is not None:
            return _refused(request, HandleRefusalCode.HANDLE_TAKEN)
        return _claimed(request, account, version)
    if entry is None or held is None or entry.client_id != request.client_id:
        return _refused(request, HandleRefusalCode.HANDLE_UNKNOWN)
    if isinstance(request, HandlePortRequested):
        return _ported(request, held, account, version)
    return _released(request, version)


def _claimed(
    request: HandleClaimRequested, account: AccountFacts | None, version: int
) -> HandleClaimed | HandleClaimRefused:
    if account is None or account.client_id != request.client_id:
        return _refused(request, HandleRefusalCode.ACCOUNT_UNKNOWN)
    return HandleClaimed(
        request_id=request.request_id,
        requested_at=request.requested_at,
        handle=request.handle,
        fingerprint=request.fingerprint,
        client_id=request.client_id,
        account_id=request.account_id,
        currency=account.currency,
        display_name_sealed=request.display_name_sealed,
        version=version,
    )


def _ported(
    request: HandlePortRequested, held: HandleTarget, account: AccountFacts | None, version: int
) -> HandlePorted | HandleClaimRefused:
    if account is None or account.client_id != request.client_id:
        return _refused(request, HandleRefusalCode.ACCOUNT_UNKNOWN)
    if held.account_id == request.account_id:
        return _refused(request, HandleRefusalCode.SAME_ACCOUNT)
    return HandlePorted(
        request_id=request.request_id,
        requested_at=request.requested_at,
        handle=request.handle,
        fingerprint=request.fingerprint,
        client_id=request.client_id,
        account_id=request.account_id,
        currency=account.currency,
        display_name_sealed=held.display_name_sealed,
        version=version,
    )


def _released(request: HandleReleaseRequested, version: int) -> HandleReleased:
    return HandleReleased(
        request_id=request.request_id,
        requested_at=request.requested_at,
        handle=request.handle,
        fingerprint=request.fingerprint,
        client_id=request.client_id,
        version=version,
    )


def _refused(request: Request, code: HandleRefusalCode) -> HandleClaimRefused:
    return HandleClaimRefused(
        request_id=request.request_id,
        requested_at=request.requested_at,
        handle=request.handle,
        fingerprint=request.fingerprint,
        client_id=request.client_id,
        code=code,
    )
