"""Cases and documents, for those who decide them.

-> kyc.review-started | kyc.approval-proposed | kyc.approved | kyc.rejected |
   kyc.information-requested | person.tier-changed
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Invalid
from domain.kyc import CaseState, Move
from domain.person import mask_ssn
from producers.users import cases, links, people
from producers.users.answers import document_answer, review_answer
from producers.users.documents import documents_of, open_document, read_document
from producers.users.edge import TheEdge, UsersEdge
from producers.users.models import DecisionBody
from producers.users.models_admin import CaseFileAnswer, LinkAnswer, ReviewAnswer
from producers.users.people import IDENTITY
from producers.users.reviews import review
from runtime.http.audit import record_act
from runtime.http.body import read_json
from runtime.http.caller import Caller, TheCaller
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, page_of, refuse_repeats
from runtime.http.problem import ProblemError
from schemas.person import PersonField

router = APIRouter(prefix="/admin/kyc", tags=["staff"])

_JSON: Final = "application/json"


class QueueQuery(PageQuery):
    """Which cases."""

    state: CaseState = CaseState.SUBMITTED


@router.get(
    "/cases",
    response_model=Page[ReviewAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="Cases in a state, the one that waits longest first",
)
async def get_cases(
    query: Annotated[QueueQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """The queue; nothing in it says who somebody is."""
    cursors = edge.resources.cursors
    scope = f"kyc-cases|{caller.client_id}|{query.state}"
    after = None
    if query.cursor is not None:
        since, case_id = cursors.read(query.cursor, scope=scope)
        after = datetime.fromisoformat(since), UUID(case_id)
    async with edge.resources.database.connection() as connection:
        found = await cases.queue(connection, query.state, after=after, limit=query.limit + 1)
    page = page_of(
        found,
        limit=query.limit,
        document=review_answer,
        cursor=lambda row: cursors.write(
            [row.submitted_at.isoformat(), str(row.case.case_id)], scope=scope
        ),
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.get("/cases/{case_id}", response_model=CaseFileAnswer, summary="A case and its file")
async def get_case(case_id: UUID, request: Request, edge: TheEdge) -> Response:
    """What the person says of themselves, to be held against their documents: an act of its own."""
    async with edge.unit() as connection:
        row = await cases.read_case(connection, case_id)
        if row is None:
            raise _no_case()
        person = await people.read_person(connection, row.case.person_id)
        documents = await documents_of(connection, row.case.person_id)
        await record_act(request, connection, "kyc-case.read", f"case:{case_id}")
    sealed = {
        field: (people.binding_of(row.case.person_id, field), text)
        for field in IDENTITY
        if person is not None and (text := person.sealed(field)) is not None
    }
    texts = await edge.resources.vault.open_for(row.case.person_id, list(sealed.values()))
    opened = dict(zip(sealed, map(str, texts), strict=True))
    ssn = opened.get(PersonField.SSN)
    answer = CaseFileAnswer(
        **review_answer(row).model_dump(),
        legal_name=opened.get(PersonField.LEGAL_NAME),
        date_of_birth=opened.get(PersonField.DATE_OF_BIRTH),
        ssn=None if ssn is None else mask_ssn(ssn),
        documents=[document_answer(each) for each in documents],
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post("/cases/{case_id}/take", response_model=ReviewAnswer, summary="Begin to review")
async def post_take(case_id: UUID, request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """409 if somebody has taken it, or it is decided."""
    return await _move(edge, request, caller, case_id, Move.TAKE)


@router.post("/cases/{case_id}/approve", response_model=ReviewAnswer, summary="Approve")
async def post_approve(
    case_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """Of two reviewers the first proposes, another confirms; only then the tier changes."""
    return await _move(edge, request, caller, case_id, Move.APPROVE)


@router.post(
    "/cases/{case_id}/reject",
    response_model=ReviewAnswer,
    openapi_extra=takes(DecisionBody),
    summary="Reject",
)
async def post_reject(
    case_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """With a reason, which the person sees."""
    return await _move(edge, request, caller, case_id, Move.REJECT)


@router.post(
    "/cases/{case_id}/request-information",
    response_model=ReviewAnswer,
    openapi_extra=takes(DecisionBody),
    summary="Ask the person for more",
)
async def post_request_information(
    case_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """The reason says what is missing; the person submits again."""
    return await _move(edge, request, caller, case_id, Move.ASK)


@router.post(
    "/documents/{document_id}/links",
    status_code=201,
    response_model=LinkAnswer,
    summary="A link to a document, for you and a minute",
)
async def post_link(
    document_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """The act of looking at a document is this one; the link is good for nobody else."""
    now = edge.resources.clock.now()
    async with edge.unit() as connection:
        if await read_document(connection, document_id) is None:
            raise _no_document()
        await record_act(request, connection, "kyc-document.open", f"document:{document_id}")
    token, expires_at = links.link_of(
        edge.resources.vault, document_id, reviewer=caller.client_id, now=now
    )
    answer = LinkAnswer(
        href=f"/admin/kyc/documents/{document_id}?link={token}", expires_at=expires_at
    )
    return Response(answer.model_dump_json(), status_code=201, media_type=_JSON)


@router.get(
    "/documents/{document_id}",
    response_class=Response,
    responses={200: {"content": {links.ANY_DOCUMENT: {}}, "description": "The document"}},
    dependencies=[Depends(refuse_repeats)],
    summary="A document, as an attachment",
)
async def get_document(
    document_id: UUID,
    link: Annotated[str, Query(max_length=links.LINK_CHARACTERS_MAX)],
    edge: TheEdge,
    caller: TheCaller,
) -> Response:
    """By a link that this reviewer asked for a moment ago. Never shown in place: only saved."""
    vault, now = edge.resources.vault, edge.resources.clock.now()
    if not links.is_good(vault, link, document_id, reviewer=caller.client_id, now=now):
        raise ProblemError(403, "link_expired", "ask for a link, and use it within a minute")
    async with edge.resources.database.connection() as connection:
        row = await read_document(connection, document_id)
    if row is None:
        raise _no_document()
    try:
        return await links.attachment(row, open_document(edge, row))
    except Invalid as error:
        # What lies in our store and does not open is our fault, or was forgotten.
        raise ProblemError(
            410, "document_gone", "the document cannot be opened any more"
        ) from error


async def _move(
    edge: UsersEdge, request: Request, caller: Caller, case_id: UUID, move: Move
) -> Response:
    reason = None
    if move in {Move.REJECT, Move.ASK}:
        reason = (await read_json(request)).parse(DecisionBody).reason
    act = edge.act(request, caller)
    async with edge.unit() as connection:
        row = await cases.read_case(connection, case_id)
        if row is None:
            raise _no_case()
        row = await review(
            connection, act, row, move, reviewer_person=caller.person_id, reason=reason
        )
        await record_act(request, connection, f"kyc-case.{move}", f"case:{case_id}", reason=reason)
    return Response(review_answer(row).model_dump_json(), media_type=_JSON)


def _no_case() -> ProblemError:
    return ProblemError(404, "case_not_found", "there is no such case")


def _no_document() -> ProblemError:
    return ProblemError(404, "document_not_found", "there is no such document")
