"""People, as staff see them: found by a whole address, told by halves, revealed with a reason.

-> standing.changed | session.revoked
"""

from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.client import client_of
from domain.person import mask_ssn
from producers.users import contacts, people
from producers.users.decide import CONTACT_FIELDS, NORMALISE, demand_may_suspend
from producers.users.edge import TheEdge, UsersEdge
from producers.users.forgetting import forget
from producers.users.models import ReasonBody, RevealBody, SearchBody
from producers.users.models_admin import (
    FoundAnswer,
    FoundPeopleAnswer,
    PersonAnswer,
    RevealedAnswer,
)
from producers.users.people import IDENTITY, Person
from projections.accounts import accounts_of
from runtime.database import Connection
from runtime.http.audit import record_act
from runtime.http.body import read_json
from runtime.http.caller import Caller, TheCaller
from runtime.http.openapi import takes
from runtime.http.problem import ProblemError
from runtime.suspending import read_sign_in, reinstate, suspend
from runtime.vault import Binding
from schemas.account import Tier
from schemas.person import ContactKind, PersonField
from schemas.standing import Standing

router = APIRouter(prefix="/admin/people", tags=["staff"])

FOUND_MAX: Final = 50
"""People that one search tells of: many may name an address, one has it."""

_JSON: Final = "application/json"


@router.post(
    "/search",
    response_model=FoundPeopleAnswer,
    openapi_extra=takes(SearchBody),
    summary="Who has this e-mail address or phone number",
)
async def post_search(request: Request, edge: TheEdge) -> Response:
    """By the whole address only: what is stored is a blind index, and knows no parts.

    A POST, so that the address stands in no log of paths.
    """
    body = (await read_json(request)).parse(SearchBody)
    given = {kind: typed for kind in ContactKind if (typed := getattr(body, kind)) is not None}
    if len(given) != 1:
        raise ProblemError(422, "invalid_body", "name one of email and phone")
    [(kind, typed)] = given.items()
    index = edge.resources.vault.blind_index(contacts.INDEX_COLUMNS[kind], NORMALISE[kind](typed))
    async with edge.unit() as connection:
        found = await contacts.people_at(connection, kind, index, limit=FOUND_MAX)
        await record_act(request, connection, "person.search", f"{kind}:{len(found)}")
    answer = FoundPeopleAnswer(
        data=[FoundAnswer(person_id=id_, is_verified=verified) for id_, verified in found]
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.get("/{person_id}", response_model=PersonAnswer, summary="A person, by halves")
async def get_person(person_id: UUID, edge: TheEdge) -> Response:
    """Which fields there are, and the last digits of the social security number.

    Whoever has only registered has none of them.
    """
    async with edge.resources.database.connection() as connection:
        person = await people.read_person(connection, person_id)
        sign_in = await read_sign_in(connection, person_id)
        if person is None and sign_in is None:
            raise _not_found()
        known = await contacts.read_contacts(connection, person_id)
        profiles = await accounts_of(connection, client_of(person_id))
    ssn = None
    if person is not None and person.ssn_sealed is not None:
        binding = people.binding_of(person_id, PersonField.SSN)
        [opened] = await edge.resources.vault.open_for(person_id, [(binding, person.ssn_sealed)])
        ssn = mask_ssn(str(opened))
    answer = PersonAnswer(
        id=person_id,
        tier=Tier.UNVERIFIED if person is None else person.tier,
        is_suspended=sign_in is not None and sign_in.is_suspended,
        has=[
            *(field for field in IDENTITY if person is not None and person.sealed(field)),
            *(CONTACT_FIELDS[kind] for kind in known),
        ],
        verified=[CONTACT_FIELDS[kind] for kind, each in known.items() if each.verified_at],
        ssn=ssn,
        accounts=[profile.account_id for profile in profiles],
        created_at=None if person is None else person.created_at,
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/{person_id}/reveal",
    response_model=RevealedAnswer,
    openapi_extra=takes(RevealBody),
    summary="Show one field of a person in clear",
)
async def post_reveal(person_id: UUID, request: Request, edge: TheEdge) -> Response:
    """The act is written before the text is opened: nobody sees it without leaving a trace."""
    body = (await read_json(request)).parse(RevealBody)
    async with edge.unit() as connection:
        person = await _known(connection, person_id)
        known = await contacts.read_contacts(connection, person_id)
        sealed = _sealed(person, known, body.field)
        if sealed is None:
            raise ProblemError(404, "field_unknown", "the person has told us nothing of that kind")
        await record_act(
            request,
            connection,
            f"person.reveal-{body.field.value.replace('_', '-')}",
            f"person:{person_id}",
            reason=body.reason,
        )
    [text] = await edge.resources.vault.open_for(person_id, [sealed])
    answer = RevealedAnswer(person_id=person_id, field=body.field, value=str(text))
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/{person_id}/suspension",
    status_code=204,
    openapi_extra=takes(ReasonBody),
    summary="Suspend a person: no edge lets them in, and they cannot sign in",
)
async def post_suspension(
    person_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """Their money stays where it is, and payments to them arrive; freeze accounts to stop those.

    Their sessions end. Staff is suspended by an admin only.
    """
    return await _stand(edge, request, caller, person_id, Standing.SUSPENDED)


@router.post(
    "/{person_id}/reinstatement",
    status_code=204,
    openapi_extra=takes(ReasonBody),
    summary="Let a suspended person in again",
)
async def post_reinstatement(
    person_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """They sign in anew; every edge hears of it within a second."""
    return await _stand(edge, request, caller, person_id, Standing.ACTIVE)


@router.post(
    "/{person_id}/forgetting",
    status_code=204,
    openapi_extra=takes(ReasonBody),
    summary="Forget a person: destroy the key of all their texts",
)
async def post_forgetting(person_id: UUID, request: Request, edge: TheEdge) -> Response:
    """For ever. What was posted stays, with ids that name nobody; they cannot sign in any more.

    Contacts that were handles pay nobody any more.
    """
    reason, resources = (await read_json(request)).parse(ReasonBody).reason, edge.resources
    async with edge.unit() as connection:
        # Whoever registered has left an e-mail address and a name, also if they told nothing since.
        if not await people.is_known(connection, person_id):
            raise _not_found()
        await record_act(request, connection, "person.forget", f"person:{person_id}", reason=reason)
        await forget(resources.vault, connection, person_id, clock=resources.clock)
    return Response(status_code=204)


async def _stand(
    edge: UsersEdge, request: Request, caller: Caller, person_id: UUID, standing: Standing
) -> Response:
    reason = (await read_json(request)).parse(ReasonBody).reason
    if caller.person_id == person_id:
        raise ProblemError(403, "own_standing", "nobody suspends or reinstates themselves")
    act = edge.act(request, caller)
    async with edge.unit() as connection:
        # Locked, and made if they never told us anything: whoever can sign in can be suspended.
        await people.locked_person(connection, person_id, now=act.at)
        sign_in = await read_sign_in(connection, person_id, lock=True)
        if sign_in is None:
            raise _not_found()
        demand_may_suspend(caller, sign_in.roles)
        if standing is Standing.SUSPENDED:
            action = "person.suspend"
            await suspend(connection, act, person_id)
        else:
            action = "person.reinstate"
            await reinstate(connection, act, person_id)
        await record_act(request, connection, action, f"person:{person_id}", reason=reason)
    return Response(status_code=204)


async def _known(connection: Connection, person_id: UUID) -> Person:
    person = await people.read_person(connection, person_id)
    if person is None:
        raise _not_found()
    return person


def _not_found() -> ProblemError:
    return ProblemError(404, "person_not_found", "there is no such person")


def _sealed(
    person: Person, known: dict[ContactKind, contacts.Contact], field: PersonField
) -> tuple[Binding, str] | None:
    if field in IDENTITY:
        text = person.sealed(field)
        return None if text is None else (people.binding_of(person.person_id, field), text)
    kind = ContactKind(field)
    contact = known.get(kind)
    if contact is None:
        return None
    return contacts.binding_of(person.person_id, kind), contact.address_sealed
