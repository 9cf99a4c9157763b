"""Documents and submissions: how a person asks to be known better.

-> kyc.document-stored | kyc.submitted
"""

from typing import Annotated, Final
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from domain.document import DocumentKind
from domain.kyc import CaseRefusal, submitted
from producers.users import cases, people
from producers.users.answers import case_answer, document_answer
from producers.users.cases import CaseRow
from producers.users.decide import case_problem, messages_of
from producers.users.document_body import media_type_sent, read_document_body
from producers.users.documents import Upload, documents_of, keep_document
from producers.users.edge import TheEdge, person_of
from producers.users.models import (
    CaseAnswer,
    DocumentAnswer,
    KycAnswer,
    SubmissionBody,
)
from producers.users.people import IDENTITY
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.idempotency import HEADER, REPLAYED_HEADER, idempotency_key_of
from runtime.http.openapi import takes
from runtime.http.page import refuse_repeats
from runtime.http.problem import ProblemError
from runtime.outbox import put
from schemas.account import Tier
from schemas.kyc import KycSubmitted

router = APIRouter(tags=["kyc"])

DOCUMENT_NAMESPACE: Final = UUID("4be2b0b2-0b0f-5c0e-8d3a-2f3f5b8f6a10")
"""Root of every document's id: uuid5 of the client, and of that the idempotency key."""

_JSON: Final = "application/json"

_DOCUMENT_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "the document as it is, 10 MiB at most",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("application/pdf", "image/jpeg", "image/png")
        },
    }
}


@router.get("/users/me/kyc", response_model=KycAnswer, summary="How well Titan knows you")
async def get_kyc(edge: TheEdge, caller: TheCaller) -> Response:
    """Your tier, your last case, and the documents that you have sent."""
    person_id = person_of(caller)
    async with edge.resources.database.connection() as connection:
        person = await people.read_person(connection, person_id)
        case = await cases.newest_case(connection, person_id)
        documents = await documents_of(connection, person_id)
    answer = KycAnswer(
        tier=Tier.UNVERIFIED if person is None else person.tier,
        case=case_answer(case),
        documents=[document_answer(row) for row in documents],
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/users/me/kyc/documents",
    status_code=201,
    response_model=DocumentAnswer,
    dependencies=[Depends(refuse_repeats)],
    openapi_extra=_DOCUMENT_BODY | takes(None, "Idempotency-Key"),
    summary="Send a document",
)
async def post_document(
    kind: Annotated[DocumentKind, Query()], request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """Raw bytes, as PDF, JPEG or PNG. 422 names what is wrong with it; 409 if there are too many.

    429 `upload_under_way` while another document of yours arrives: send one after the other.
    It is kept as it looks and not as it came: without EXIF, metadata, names and trailing bytes.
    """
    key = idempotency_key_of(request.scope)
    media_type = media_type_sent(request)
    act = edge.act(request, caller)
    person_id = person_of(caller)
    with edge.uploads.slot_for(person_id):
        body = await read_document_body(request)
        name = str(act.act_id) if key is None else key
        document_id = uuid5(uuid5(DOCUMENT_NAMESPACE, caller.client_id), name)
        upload = Upload(document_id, kind, media_type, body)
        row, is_replayed = await keep_document(edge, act, person_id, upload)
    headers = {REPLAYED_HEADER: "true"} if is_replayed else {}
    if key is None:
        headers[HEADER] = name
    return Response(
        document_answer(row).model_dump_json(), status_code=201, headers=headers, media_type=_JSON
    )


@router.post(
    "/users/me/kyc/submissions",
    status_code=201,
    response_model=CaseAnswer,
    openapi_extra=takes(SubmissionBody),
    summary="Ask for a tier",
)
async def post_submission(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """409 while a case is under way, or something is missing that a reviewer needs."""
    body = await read_json(request)
    wanted = body.parse(SubmissionBody).tier
    act, person_id = edge.act(request, caller), person_of(caller)
    async with edge.unit() as connection:
        person = await people.locked_person(connection, person_id, now=act.at)
        before = await cases.case_under_way(connection, person_id)
        case = submitted(act.act_id, person_id, wanted, tier=person.tier, before=before)
        if isinstance(case, CaseRefusal):
            raise case_problem(case)
        missing = [field for field in IDENTITY if person.sealed(field) is None]
        if missing:
            raise ProblemError(
                409, "identity_missing", f"tell us first: {', '.join(sorted(missing))}"
            )
        if not await documents_of(connection, person_id):
            raise ProblemError(409, "documents_missing", "send at least one document first")
        await cases.write_case(connection, case, at=act.at)
        event = KycSubmitted(
            request_id=act.act_id,
            requested_at=act.at,
            person_id=person_id,
            case_id=case.case_id,
            version=case.version,
            wanted=case.wanted,
        )
        await put(connection, messages_of(act, event))
    answer = case_answer(CaseRow(case, act.at, act.at))
    assert answer is not None
    return Response(answer.model_dump_json(), status_code=201, media_type=_JSON)
