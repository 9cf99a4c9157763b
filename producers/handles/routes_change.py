"""Claims, ports and releases of handles, what became of them, and a handle's history.

-> handle.claim-requested | handle.port-requested | handle.release-requested
"""

import contextlib
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Unavailable
from producers.handles.decide import (
    Candidate,
    Origin,
    answer_of,
    claim_of,
    port_of,
    refusal_of,
    release_of,
    status_of,
)
from producers.handles.edge import HandlesEdge, TheEdge
from producers.handles.models import ChangeAnswer, ClaimBody, PendingAnswer, PortBody
from projections.directory import read_history
from runtime import limits
from runtime.contact_handles import handle_of
from runtime.fingerprints import keyed_fingerprint
from runtime.http.body import JsonBody, fingerprint_of, read_json
from runtime.http.caller import Caller, TheCaller
from runtime.http.idempotency import HEADER, REPLAYED_HEADER, idempotency_key_of, key_required
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, page_of, refuse_repeats
from runtime.http.prefer import APPLIED_HEADER, wait_of
from runtime.http.problem import ProblemError
from runtime.http.scope import traceparent_of

router = APIRouter(tags=["handles"])

_JSON: Final = "application/json"
_UNDECIDED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": PendingAnswer, "description": "In the log, not decided yet"}
}


@router.post(
    "/handles",
    status_code=201,
    response_model=ChangeAnswer,
    responses=_UNDECIDED,
    openapi_extra=takes(ClaimBody, "Idempotency-Key", "Prefer"),
    summary="Claim a handle for an account",
)
async def post_handle(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """201 if the handle is yours now, 409 if it is taken; of racing claims one wins."""
    key, made = _key(request, edge)
    body = await read_json(request)
    origin = _origin(request, edge, caller, key, body)
    candidate = claim_of(body.parse(ClaimBody), origin)
    return await _ask(request, edge, candidate, made=made)


@router.post(
    "/handles/{handle}/port",
    response_model=ChangeAnswer,
    responses=_UNDECIDED,
    openapi_extra=takes(PortBody, "Idempotency-Key", "Prefer"),
    summary="Let your handle name another account of yours",
)
async def post_port(handle: str, request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """404 if you hold no such handle."""
    name = handle_of(handle, edge.resources.vault)
    key, made = _key(request, edge)
    body = await read_json(request)
    origin = _origin(request, edge, caller, key, body)
    candidate = port_of(name, body.parse(PortBody), origin)
    return await _ask(request, edge, candidate, made=made)


@router.delete(
    "/handles/{handle}",
    response_model=ChangeAnswer,
    responses=_UNDECIDED,
    openapi_extra=takes(None, "Idempotency-Key", "Prefer"),
    summary="Give your handle up",
)
async def delete_handle(
    handle: str, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """404 if you hold no such handle. Its versions go on with whoever claims it next."""
    name = handle_of(handle, edge.resources.vault)
    key, made = _key(request, edge)
    candidate = release_of(name, _origin(request, edge, caller, key, None))
    return await _ask(request, edge, candidate, made=made)


@router.get(
    "/handles/{handle}/history",
    response_model=Page[ChangeAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="Your claims, ports and releases of a handle, the newest first",
)
async def get_history(
    handle: str, query: Annotated[PageQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """404 if you never held it. Does not show what others did with it."""
    name = handle_of(handle, edge.resources.vault)
    cursors = edge.resources.cursors
    scope = f"handle-history|{caller.client_id}|{name}"
    before = None
    if query.cursor is not None:
        [before] = cursors.read(query.cursor, scope=scope)
    async with edge.resources.database.connection() as connection:
        found = await read_history(
            connection,
            name,
            client_id=caller.client_id,
            before_version=before,
            limit=query.limit + 1,
        )
    if not found and before is None:
        raise ProblemError(404, "handle_unknown", "you never held this handle")
    page = page_of(
        found,
        limit=query.limit,
        document=answer_of,
        cursor=lambda change: cursors.write([change.version or 0], scope=scope),
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.get(
    "/handles/requests/{request_id}",
    response_model=ChangeAnswer | PendingAnswer,
    openapi_extra=takes(None, "Prefer"),
    summary="What became of a request about a handle",
)
async def get_request(
    request_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """200 with its outcome, or with `"state":"requested"` while there is none."""
    wait_s = wait_of(request.scope)
    headers = {} if wait_s is None else {APPLIED_HEADER: f"wait={wait_s}"}
    if wait_s is None:
        change = await edge.requests.outcome(request_id)
    else:
        change = await edge.requests.decided(request_id, wait_s=wait_s)
    if change is not None and change.client_id == caller.client_id:
        answer: ChangeAnswer | PendingAnswer = answer_of(change)
    else:
        handle = await edge.pending.handle_of(request_id, client_id=caller.client_id)
        if handle is None:
            raise ProblemError(
                404,
                "request_not_found",
                "no request of yours with this id has been decided",
                headers={"Retry-After": str(limits.UNAVAILABLE_RETRY_AFTER_S)},
            )
        answer = PendingAnswer(request_id=request_id, handle=handle, state="requested")
    return Response(answer.model_dump_json(), headers=headers, media_type=_JSON)


async def _ask(
    request: Request, edge: HandlesEdge, candidate: Candidate, *, made: bool
) -> Response:
    """The answer to a claim, port or release; `made` says that we made its key."""
    location = f"/handles/requests/{candidate.request_id}"
    headers = {"Location": location}
    if made:
        headers[HEADER] = candidate.origin.key
    preferred_s = wait_of(request.scope)
    if preferred_s is not None:
        headers[APPLIED_HEADER] = f"wait={preferred_s}"
    asked = await edge.requests.ask(
        candidate,
        is_fresh=made,
        wait_s=limits.OUTCOME_WAIT_S if preferred_s is None else preferred_s,
    )
    change = asked.change
    if change is None:
        pending = PendingAnswer(
            request_id=candidate.request_id, handle=candidate.handle, state="requested"
        )
        return Response(
            pending.model_dump_json(), status_code=202, headers=headers, media_type=_JSON
        )
    if asked.is_replayed:
        headers[REPLAYED_HEADER] = "true"
    problem = refusal_of(change)
    if problem is not None:
        problem.headers.update(headers)
        raise problem
    if not asked.is_replayed:
        # So that the one who was told reads what they wrote, even before its event arrives.
        with contextlib.suppress(Unavailable):
            await edge.lookup.refresh(change.handle)
    return Response(
        answer_of(change).model_dump_json(),
        status_code=status_of(change),
        headers=headers,
        media_type=_JSON,
    )


def _key(request: Request, edge: HandlesEdge) -> tuple[str, bool]:
    """The request's key, or one made for it where that is allowed, and whether it was made."""
    key = idempotency_key_of(request.scope)
    if key is not None:
        return key, False
    if edge.resources.settings.idempotency_key_required:
        raise key_required()
    return str(edge.resources.clock.random_id()), True


def _origin(
    request: Request, edge: HandlesEdge, caller: Caller, key: str, body: JsonBody | None
) -> Origin:
    plain = fingerprint_of(None) if body is None else body.fingerprint
    return Origin(
        client_id=caller.client_id,
        key=key,
        fingerprint=keyed_fingerprint(plain, edge.resources.vault),
        traceparent=traceparent_of(request.scope),
    )
