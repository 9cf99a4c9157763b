"""GET /events: a client's events in order, from after a cursor."""

import json
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from producers.feed.edge import FeedEdge, TheEdge
from producers.feed.models import FeedAnswer, FeedQuery, types_of
from projections import feed
from projections.feed import Batch, Expired, Place
from runtime.http.authorization import admit_again
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.page import refuse_repeats
from runtime.http.prefer import APPLIED_HEADER, wait_of
from runtime.http.problem import MEDIA_TYPE, ProblemError

router = APIRouter(tags=["events"])

_JSON: Final = "application/json"
_EXPIRED: Final[dict[int | str, dict[str, Any]]] = {
    410: {
        "description": "The cursor lies before the oldest event kept; begin anew there",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ExpiredProblem"}}},
    }
}


class CursorExpiredError(ProblemError):
    """410: what came after this cursor is not kept any more, so going on would skip events."""

    def __init__(self, oldest_cursor: str) -> None:
        super().__init__(
            410,
            "cursor_expired",
            "events after this cursor are not kept any more; what is kept begins at oldest_cursor",
        )
        self._oldest_cursor = oldest_cursor

    def document(self, request_id: str) -> dict[str, Any]:
        """The problem's JSON, with the cursor."""
        return super().document(request_id) | {"oldest_cursor": self._oldest_cursor}


@router.get(
    "/events",
    response_model=FeedAnswer,
    responses=_EXPIRED,
    dependencies=[Depends(refuse_repeats)],
    openapi_extra=takes(None, "Prefer"),
    summary="Your events, in order, from after a cursor",
)
async def get_events(
    request: Request, query: Annotated[FeedQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """This client's events only. With `Prefer: wait=n` an empty answer waits for the next event."""
    place = _place(edge, query.after, caller.client_id)
    wait_s = wait_of(request.scope)
    batch = await _batch(request, edge, caller.client_id, place, query, wait_s=wait_s or 0)
    cursor = _cursor(edge, batch.end, caller.client_id)
    # The documents are JSON already: with many readers, to parse and write them anew would be the
    # greater part of the work.
    body = (
        f'{{"data":[{",".join(batch.documents)}],"has_more":{json.dumps(batch.has_more)},'
        f'"next_cursor":"{cursor}"}}'
    )
    headers = {} if wait_s is None else {APPLIED_HEADER: f"wait={wait_s}"}
    return Response(body, media_type=_JSON, headers=headers)


async def _batch(
    request: Request,
    edge: FeedEdge,
    client_id: str,
    place: Place | None,
    query: FeedQuery,
    *,
    wait_s: float,
) -> Batch:
    """What follows the place; if that is nothing, it is looked again until the wait is over."""
    types = None if query.types is None else types_of(query.types)
    clock, database = edge.resources.clock, edge.resources.database
    until_s = clock.monotonic_s() + wait_s
    while True:
        async with database.connection() as connection:
            batch = await feed.read(connection, client_id, place, types=types, limit=query.limit)
        if isinstance(batch, Expired):
            raise CursorExpiredError(_cursor(edge, batch.oldest, client_id))
        left_s = until_s - clock.monotonic_s()
        if batch.documents or left_s <= 0:
            return batch
        # Of other types there may have been some: what was passed over is not read again.
        place, head = batch.end, batch.head
        await edge.heads.wait_for(
            client_id,
            lambda position, head=head: position > head,  # type: ignore[misc]
            timeout_s=left_s,
        )
        # Whoever had to stop while they waited is told nothing of what came.
        await admit_again(request)


def _place(edge: FeedEdge, cursor: str | None, client_id: str) -> Place | None:
    if cursor is None:
        return None
    began_us, position, day = edge.resources.cursors.read(cursor, scope=_scope(client_id))
    return Place(began_us, position, date.fromisoformat(day))


def _cursor(edge: FeedEdge, place: Place, client_id: str) -> str:
    position = (place.began_us, place.position, place.told_on.isoformat())
    return edge.resources.cursors.write(position, scope=_scope(client_id))


def _scope(client_id: str) -> str:
    return f"feed|{client_id}"
