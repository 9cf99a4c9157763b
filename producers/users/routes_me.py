"""GET and PATCH /users/me, and the codes that verify a contact.

-> person.changed | person.contact-verified | handle.release-requested
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.person import mask_ssn
from producers.users import cases, codes, contacts, people
from producers.users.answers import case_answer
from producers.users.codes import CodeFault
from producers.users.contacts import Contact
from producers.users.decide import changes_of, messages_of
from producers.users.edge import TheEdge, UsersEdge, person_of
from producers.users.models import (
    CodeBody,
    CodeSentAnswer,
    ContactAnswer,
    ProfileAnswer,
    ProfileBody,
)
from producers.users.people import IDENTITY
from producers.users.profiles import change_profile
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.problem import ProblemError
from runtime.outbox import put
from runtime.vault import Binding
from schemas.account import Tier
from schemas.person import ContactKind, ContactVerified, PersonField

router = APIRouter(tags=["me"])

_JSON: Final = "application/json"

_FAULTS: Final[dict[CodeFault, str]] = {
    CodeFault.NONE: "no code was sent to this contact: ask for one",
    CodeFault.EXPIRED: "the code is too old: ask for another",
    CodeFault.SPENT: "too many wrong codes: ask for another",
    CodeFault.WRONG: "this is not the code that was sent",
}


@router.get("/users/me", response_model=ProfileAnswer, summary="What Titan knows of you")
async def get_me(edge: TheEdge, caller: TheCaller) -> Response:
    """Your own texts in clear, but for the social security number, which is masked even here."""
    return await _profile(edge, person_of(caller))


@router.patch(
    "/users/me",
    response_model=ProfileAnswer,
    openapi_extra=takes(ProfileBody),
    summary="Tell Titan something about you",
)
async def patch_me(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """A field that is absent stays, one that is null is taken back. 409 once it was verified."""
    body = await read_json(request)
    act = edge.act(request, caller)
    changes = changes_of(body.parse(ProfileBody), today=act.at.date())
    person_id = person_of(caller)
    await change_profile(edge, act, person_id, changes)
    return await _profile(edge, person_id)


@router.post(
    "/users/me/contacts/{kind}/code",
    status_code=202,
    response_model=CodeSentAnswer,
    summary="Send a code to your e-mail address or phone",
)
async def post_code(kind: ContactKind, edge: TheEdge, caller: TheCaller) -> Response:
    """429 if one was sent a moment ago, or too many were. An older code is void."""
    person_id, clock, vault = person_of(caller), edge.resources.clock, edge.resources.vault
    now = clock.now()
    code = codes.code_from(clock.random_id())
    async with edge.unit() as connection:
        person = await people.locked_person(connection, person_id, now=now)
        contact = _unverified(await contacts.read_contacts(connection, person_id), kind)
        wait_s = codes.wait_before_next_s(person, contact, now=now)
        if wait_s > 0:
            headers = {"Retry-After": str(wait_s)}
            raise ProblemError(429, "code_too_soon", "wait for the next code", headers=headers)
        index = vault.blind_index(codes.INDEX_COLUMN, codes.code_text(contact, code))
        await people.write_codes(connection, codes.counted(person, now=now))
        await contacts.write_contact(connection, codes.with_code(contact, index, now=now))
    [address] = await vault.open_for(
        person_id, [(contacts.binding_of(person_id, kind), contact.address_sealed)]
    )
    await edge.sender.send(person_id, kind, str(address), code)
    answer = CodeSentAnswer(kind=kind, expires_at=now + timedelta(seconds=codes.CODE_S))
    return Response(answer.model_dump_json(), status_code=202, media_type=_JSON)


@router.post(
    "/users/me/contacts/{kind}/verification",
    response_model=ProfileAnswer,
    openapi_extra=takes(CodeBody),
    summary="Show that you read what is sent there",
)
async def post_verification(
    kind: ContactKind, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """422 with a wrong code; 409 if the address is verified as somebody else's."""
    body = await read_json(request)
    code = body.parse(CodeBody).code
    act, person_id = edge.act(request, caller), person_of(caller)
    async with edge.unit() as connection:
        person = await people.locked_person(connection, person_id, now=act.at)
        contact = _unverified(await contacts.read_contacts(connection, person_id), kind)
        index = edge.resources.vault.blind_index(codes.INDEX_COLUMN, codes.code_text(contact, code))
        contact, fault = codes.tried(contact, index, now=act.at)
        # Asked only by who has shown that they read what is sent there: else it would tell anybody.
        if fault is None and await contacts.is_taken(connection, contact):
            raise ProblemError(409, "contact_taken", "somebody else has verified this contact")
        await contacts.write_contact(connection, contact)
        if fault is None:
            person = await people.write_identity(connection, person, {})
            event = ContactVerified(
                request_id=act.act_id,
                requested_at=act.at,
                person_id=person_id,
                version=person.version,
                kind=kind,
            )
            await put(connection, messages_of(act, event))
    # Only now: a wrong try counts, so its row had to be committed.
    if fault is not None:
        raise ProblemError(422, fault.value, _FAULTS[fault])
    return await _profile(edge, person_id)


def _unverified(known: dict[ContactKind, Contact], kind: ContactKind) -> Contact:
    contact = known.get(kind)
    if contact is None:
        raise ProblemError(404, "contact_unknown", "tell us the contact first: PATCH /users/me")
    if contact.verified_at is not None:
        raise ProblemError(409, "contact_verified", "this contact is verified already")
    return contact


async def _profile(edge: UsersEdge, person_id: UUID) -> Response:
    async with edge.resources.database.connection() as connection:
        person = await people.read_person(connection, person_id)
        known = await contacts.read_contacts(connection, person_id)
        case = await cases.newest_case(connection, person_id)
    sealed: dict[PersonField, tuple[Binding, str]] = {}
    for field in IDENTITY:
        text = None if person is None else person.sealed(field)
        if text is not None:
            sealed[field] = (people.binding_of(person_id, field), text)
    for kind, contact in known.items():
        binding = contacts.binding_of(person_id, kind)
        sealed[PersonField(kind)] = (binding, contact.address_sealed)
    texts = await edge.resources.vault.open_for(person_id, list(sealed.values()))
    opened = dict(zip(sealed, map(str, texts), strict=True))
    ssn = opened.get(PersonField.SSN)

    def contact_of(kind: ContactKind) -> ContactAnswer | None:
        contact = known.get(kind)
        if contact is None:
            return None
        return ContactAnswer(
            address=opened[PersonField(kind)], is_verified=contact.verified_at is not None
        )

    answer = ProfileAnswer(
        id=person_id,
        version=0 if person is None else person.version,
        tier=Tier.UNVERIFIED if person is None else person.tier,
        legal_name=opened.get(PersonField.LEGAL_NAME),
        date_of_birth=opened.get(PersonField.DATE_OF_BIRTH),
        ssn=None if ssn is None else mask_ssn(ssn),
        email=contact_of(ContactKind.EMAIL),
        phone=contact_of(ContactKind.PHONE),
        kyc=case_answer(case),
    )
    return Response(answer.model_dump_json(), media_type=_JSON)
