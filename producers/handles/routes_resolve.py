"""GET /handles/resolve: which account a handle names."""

import json
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from producers.handles.buckets import HIT, MISS, PLANS
from producers.handles.edge import HandlesEdge, edge_of
from producers.handles.models import HandleAnswer
from producers.handles.names import opened_name
from producers.handles.sight import Sight
from runtime.contact_handles import handle_of
from runtime.http.caller import Caller, caller_of
from runtime.http.problem import ProblemError

router = APIRouter(tags=["handles"])

_QUERY: Final = {
    "parameters": [
        {
            "name": "handle",
            "in": "query",
            "required": True,
            "description": "as typed: a leading @, capitals and full-width letters are folded",
            "schema": {"type": "string"},
        }
    ]
}


@router.get(
    "/handles/resolve",
    response_model=HandleAnswer,
    openapi_extra=_QUERY,
    summary="Which account a handle names",
)
async def get_handle(request: Request) -> Response:
    """404 if it names nobody, in the time that a hit takes; 422 if it is no handle.

    429 when the caller has looked up too much: what finds nobody counts twenty times.
    """
    edge = edge_of(request)
    caller = await caller_of(request)
    typed = request.query_params.getlist("handle")
    if len(typed) != 1:
        raise ProblemError(422, "invalid_parameter", "send one `handle`")
    handle = handle_of(typed[0], edge.resources.vault)
    look_up = _metered if caller.kind in PLANS else _free
    sight = await look_up(edge, caller, handle)
    if sight.target is None:
        raise ProblemError(404, "handle_unknown", "the handle names nobody")
    answer = {
        "handle": handle,
        "account_id": str(sight.target.account_id),
        "display_name": await opened_name(edge.resources.vault, handle, sight),
        "currency": sight.target.currency,
        "version": sight.version,
    }
    return Response(json.dumps(answer, separators=(",", ":")), media_type="application/json")


async def _free(edge: HandlesEdge, _caller: Caller, handle: str) -> Sight:
    return await edge.lookup.sight(handle)


async def _metered(edge: HandlesEdge, caller: Caller, handle: str) -> Sight:
    settle = await edge.allowance.take(caller)
    # Costs nothing where nothing is told.
    cost = 0
    try:
        sight = await edge.lookup.sight(handle)
        cost = MISS if sight.target is None else HIT
    finally:
        settle(cost)
    return sight
