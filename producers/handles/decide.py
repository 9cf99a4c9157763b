"""What a request about a handle asks for, how it is named, and how its outcome is told. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from domain.display_name import normalise_display_name
from domain.errors import Invalid
from producers.handles.models import ChangeAnswer, ClaimBody, PortBody
from projections.directory import ChangeKind, DirectoryChange
from runtime.contact_handles import claimed_tag
from runtime.http.problem import Fault, ProblemError
from schemas.handle import (
    HandleClaimRequested,
    HandlePortRequested,
    HandleRefusalCode,
    HandleReleaseRequested,
)
from schemas.wire import Message, first_message

SOURCE: Final = "titan/producers/handles"
DISPLAY_NAME_PURPOSE: Final = "handle.display_name"

REQUEST_NAMESPACE: Final = UUID("0d5ab1f3-5f0f-5c38-9a36-1c8f7f0a7c52")
"""Root of every request id: uuid5 of the client, and of that the route and the idempotency key."""

_REFUSALS: Final[dict[HandleRefusalCode, tuple[int, str]]] = {
    HandleRefusalCode.HANDLE_TAKEN: (409, "the handle names an account already"),
    HandleRefusalCode.HANDLE_UNKNOWN: (404, "you hold no such handle"),
    HandleRefusalCode.ACCOUNT_UNKNOWN: (422, "you have no such account"),
    HandleRefusalCode.SAME_ACCOUNT: (409, "the handle names that account already"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, under which key and with which body."""

    client_id: str
    key: str
    fingerprint: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request that was understood and waits to be published.

    `account_id` is None for a release, `display_name` for all but a claim.
    """

    origin: Origin
    request_id: UUID
    handle: str
    account_id: UUID | None = None
    display_name: str | None = None


def claim_of(body: ClaimBody, origin: Origin) -> Candidate:
    """A claim; ProblemError 422 with everything that is wrong with it."""
    faults: list[Fault] = []
    handle = display_name = ""
    try:
        handle = claimed_tag(body.handle)
    except Invalid as error:
        faults.append(Fault("/handle", error.message, error.code))
    try:
        display_name = normalise_display_name(body.display_name)
    except Invalid as error:
        faults.append(Fault("/display_name", error.message, error.code))
    if faults:
        raise ProblemError(422, faults[0].code or "invalid_body", faults[0].message, faults=faults)
    return Candidate(
        origin,
        _request_id(origin, "POST /handles"),
        handle,
        body.account_id,
        display_name,
    )


def port_of(handle: str, body: PortBody, origin: Origin) -> Candidate:
    """A port of a handle (in its one spelling)."""
    request_id = _request_id(origin, f"POST /handles/{handle}/port")
    return Candidate(origin, request_id, handle, body.account_id)


def release_of(handle: str, origin: Origin) -> Candidate:
    """A release of a handle (in its one spelling)."""
    request_id = _request_id(origin, f"DELETE /handles/{handle}")
    return Candidate(origin, request_id, handle)


def message_of(candidate: Candidate, *, now: datetime, display_name_sealed: str | None) -> Message:
    """The record that asks for it: the same body under the same key gives the same event id."""
    origin = candidate.origin
    return first_message(
        _event_of(candidate, now, display_name_sealed),
        event_id=uuid5(candidate.request_id, origin.fingerprint),
        idempotency_id=candidate.request_id,
        source=SOURCE,
        now=now,
        traceparent=origin.traceparent,
    )


def _event_of(
    candidate: Candidate, now: datetime, display_name_sealed: str | None
) -> HandleClaimRequested | HandlePortRequested | HandleReleaseRequested:
    origin, account_id = candidate.origin, candidate.account_id
    if account_id is None:
        return HandleReleaseRequested(
            request_id=candidate.request_id,
            requested_at=now,
            handle=candidate.handle,
            fingerprint=origin.fingerprint,
            client_id=origin.client_id,
        )
    if display_name_sealed is None:
        return HandlePortRequested(
            request_id=candidate.request_id,
            requested_at=now,
            handle=candidate.handle,
            fingerprint=origin.fingerprint,
            client_id=origin.client_id,
            account_id=account_id,
        )
    return HandleClaimRequested(
        request_id=candidate.request_id,
        requested_at=now,
        handle=candidate.handle,
        fingerprint=origin.fingerprint,
        client_id=origin.client_id,
        account_id=account_id,
        display_name_sealed=display_name_sealed,
    )


def refusal_of(change: DirectoryChange) -> ProblemError | None:
    """The problem that a refused request is told as; None if it was granted."""
    if change.code is None:
        return None
    status, detail = _REFUSALS[change.code]
    return ProblemError(status, change.code.value, detail)


def status_of(change: DirectoryChange) -> int:
    """The HTTP status of a granted request."""
    return 201 if change.kind is ChangeKind.CLAIMED else 200


def answer_of(change: DirectoryChange) -> ChangeAnswer:
    """A decided request, as the API tells it."""
    return ChangeAnswer(
        request_id=change.request_id,
        handle=change.handle,
        state=change.kind,
        version=change.version,
        account_id=change.account_id,
        code=change.code,
        requested_at=change.requested_at,
    )


def _request_id(origin: Origin, route: str) -> UUID:
    return uuid5(uuid5(REQUEST_NAMESPACE, origin.client_id), f"{route} {origin.key}")
