"""Handles of one's own: a tag, or a verified contact.

-> handle.claim-requested
"""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID, uuid5

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.client import client_of
from domain.display_name import normalise_display_name
from producers.users import contacts
from producers.users.contacts import Contact
from producers.users.decide import SOURCE
from producers.users.edge import TheEdge, UsersEdge, person_of
from producers.users.models import (
    ClaimAnswer,
    OwnHandleAnswer,
    OwnHandleBody,
    OwnHandlesAnswer,
)
from producers.users.people import locked_person
from projections.directory import handles_of, read_changes
from runtime import limits
from runtime.contact_handles import (
    claimed_tag,
    contact_handle,
    display_name_binding,
    kind_of,
)
from runtime.fingerprints import is_same_body, keyed_fingerprint
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.idempotency import (
    HEADER,
    REPLAYED_HEADER,
    idempotency_key_of,
    key_required,
    key_reused,
)
from runtime.http.openapi import takes
from runtime.http.prefer import APPLIED_HEADER, wait_of
from runtime.http.problem import ProblemError
from runtime.http.scope import traceparent_of
from runtime.outbox import put
from runtime.vault import Vault
from schemas.handle import HandleClaimRequested
from schemas.person import ContactKind
from schemas.wire import first_message

router = APIRouter(tags=["handles"])

CLAIM_NAMESPACE: Final = UUID("f4a4cb5c-7f43-5a8c-8a8b-0d6d35d1ac43")
"""Root of the id of a person's claim: uuid5 of the client, and of that the idempotency key."""

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that was understood."""

    request_id: UUID
    person_id: UUID
    body: OwnHandleBody
    display_name: str
    fingerprint: str
    traceparent: str | None


@router.get("/users/me/handles", response_model=OwnHandlesAnswer, summary="Your handles")
async def get_handles(edge: TheEdge, caller: TheCaller) -> Response:
    """Those that name an account of yours now. One that is a contact of yours has a made-up name.

    That name is what the log and other people's lists show; to be paid, tell people the contact.
    """
    async with edge.resources.database.connection() as connection:
        entries = await handles_of(connection, caller.client_id)
    answer = OwnHandlesAnswer(
        data=[
            OwnHandleAnswer(
                handle=entry.handle,
                kind=_kind(entry.handle),
                account_id=entry.target.account_id,
                version=entry.version,
            )
            for entry in entries
            if entry.target is not None
        ]
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/users/me/handles",
    status_code=201,
    response_model=ClaimAnswer,
    responses={202: {"model": ClaimAnswer, "description": "In the log, not decided yet"}},
    openapi_extra=takes(OwnHandleBody, "Idempotency-Key", "Prefer"),
    summary="Claim a handle",
)
async def post_handle(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """409 if it names an account already; a contact has to be verified first."""
    key = idempotency_key_of(request.scope)
    headers: dict[str, str] = {}
    if key is None:
        if edge.resources.settings.idempotency_key_required:
            raise key_required()
        key = headers[HEADER] = str(edge.resources.clock.random_id())
    json = await read_json(request)
    body = json.parse(OwnHandleBody)
    claim = Claim(
        request_id=uuid5(uuid5(CLAIM_NAMESPACE, caller.client_id), key),
        person_id=person_of(caller),
        body=body,
        display_name=normalise_display_name(body.display_name),
        fingerprint=keyed_fingerprint(json.fingerprint, edge.resources.vault),
        traceparent=traceparent_of(request.scope),
    )
    preferred_s = wait_of(request.scope)
    if preferred_s is not None:
        headers[APPLIED_HEADER] = f"wait={preferred_s}"
    async with edge.resources.database.connection() as connection:
        change = (await read_changes(connection, [claim.request_id])).get(claim.request_id)
    if change is not None:
        headers[REPLAYED_HEADER] = "true"
    else:
        handle = await _ask(edge, claim)
        wait_s = limits.OUTCOME_WAIT_S if preferred_s is None else preferred_s
        change = await edge.decisions.wait_for(claim.request_id, lambda _: True, timeout_s=wait_s)
        if change is None:
            pending = ClaimAnswer(request_id=claim.request_id, handle=handle, state="requested")
            return Response(
                pending.model_dump_json(), status_code=202, headers=headers, media_type=_JSON
            )
    if not is_same_body(change.fingerprint, claim.fingerprint, edge.resources.vault):
        raise key_reused()
    if change.code is not None:
        raise ProblemError(409, change.code, "the directory refused it", headers=headers)
    answer = ClaimAnswer(
        request_id=claim.request_id,
        handle=change.handle,
        state=change.kind,
        version=change.version,
    )
    return Response(answer.model_dump_json(), status_code=201, headers=headers, media_type=_JSON)


async def _ask(edge: UsersEdge, claim: Claim) -> str:
    """Put the claim onto the log, by the outbox; the handle that it is for.

    In one commit with the look at the contact: a change of the contact comes before it, and then it
    is not verified, or after it, and then gives the handle up again.
    """
    vault, now = edge.resources.vault, edge.resources.clock.now()
    contact = await _contact(edge, claim)
    handle = await _handle(vault, claim, contact)
    # Before the lock: a person's first key is made under the same one, on another connection.
    [sealed] = await vault.seal_for(
        claim.person_id, [(display_name_binding(handle, claim.person_id), claim.display_name)]
    )
    async with edge.unit() as connection:
        await locked_person(connection, claim.person_id, now=now)
        known = await contacts.read_contacts(connection, claim.person_id)
        if contact is not None and known.get(contact.kind) != contact:
            raise _unverified()
        event = HandleClaimRequested(
            request_id=claim.request_id,
            requested_at=now,
            handle=handle,
            fingerprint=claim.fingerprint,
            client_id=client_of(claim.person_id),
            account_id=claim.body.account_id,
            display_name_sealed=sealed,
        )
        message = first_message(
            event,
            event_id=uuid5(claim.request_id, claim.fingerprint),
            idempotency_id=claim.request_id,
            source=SOURCE,
            now=now,
            traceparent=claim.traceparent,
        )
        await put(connection, [message])
    return handle


async def _contact(edge: UsersEdge, claim: Claim) -> Contact | None:
    """The verified contact that is claimed; None if it is a tag."""
    if claim.body.kind == "tag":
        return None
    async with edge.resources.database.connection() as connection:
        known = await contacts.read_contacts(connection, claim.person_id)
    contact = known.get(ContactKind(claim.body.kind))
    if contact is None or contact.verified_at is None:
        raise _unverified()
    return contact


async def _handle(vault: Vault, claim: Claim, contact: Contact | None) -> str:
    typed = claim.body.handle
    if contact is None:
        if typed is None:
            raise ProblemError(422, "invalid_body", "name the tag that you want")
        return claimed_tag(typed)
    if typed is not None:
        raise ProblemError(422, "invalid_body", "a contact is known: do not name it again")
    binding = contacts.binding_of(claim.person_id, contact.kind)
    [address] = await vault.open_for(claim.person_id, [(binding, contact.address_sealed)])
    return contact_handle(vault, contact.kind, address)


def _unverified() -> ProblemError:
    return ProblemError(409, "contact_not_verified", "verify the contact first")


def _kind(handle: str) -> Literal["tag", "email", "phone"]:
    match kind_of(handle):
        case ContactKind.EMAIL:
            return "email"
        case ContactKind.PHONE:
            return "phone"
        case None:
            return "tag"
