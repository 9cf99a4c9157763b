"""GET /notifications and what is around it: the in-app inbox, read marks and the stream."""

from collections.abc import AsyncGenerator
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from domain.errors import Unavailable
from producers.notifications import inbox
from producers.notifications import limits as own_limits
from producers.notifications.decide import account_of
from producers.notifications.edge import NotificationsEdge, TheEdge
from producers.notifications.models import NotificationAnswer, ReadBody, UnreadAnswer
from runtime.http import limits
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, refuse_repeats
from runtime.http.prefer import wait_of
from runtime.http.problem import ProblemError
from runtime.http.scope import header_values
from runtime.http.streams import EventStream

router = APIRouter(tags=["inbox"])

_JSON: Final = "application/json"
_HEARTBEAT: Final = ": still here\n\n"
_NUMBER_DIGITS_MAX: Final = 18


class InboxQuery(PageQuery):
    """What the list of notifications may be narrowed to."""

    account_id: UUID | None = None
    unread: bool = False


@router.get(
    "/notifications",
    response_model=Page[NotificationAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="Your notifications, the newest first",
)
async def get_notifications(
    query: Annotated[InboxQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """In your language; `account_id` narrows them to one account, `unread` to those not read."""
    cursors = edge.resources.cursors
    scope = f"notifications|{caller.client_id}|{query.account_id}|{query.unread}"
    before = None
    if query.cursor is not None:
        [before] = cursors.read(query.cursor, scope=scope)
    async with edge.resources.database.connection() as connection:
        rows = await inbox.newest(
            connection,
            caller.client_id,
            account_id=query.account_id,
            is_unread=query.unread,
            before=before,
            limit=query.limit + 1,
        )
        answers = await edge.told(connection, caller.client_id, rows[: query.limit])
    has_more = len(rows) > query.limit
    page = Page(
        data=answers,
        has_more=has_more,
        next_cursor=cursors.write([answers[-1].number], scope=scope) if has_more else None,
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.get(
    "/notifications/unread",
    response_model=UnreadAnswer,
    dependencies=[Depends(refuse_repeats)],
    summary="How many you have not read",
)
async def get_unread(edge: TheEdge, caller: TheCaller, account_id: UUID | None = None) -> Response:
    """Counted up to 999."""
    async with edge.resources.database.connection() as connection:
        count = await inbox.unread(connection, caller.client_id, account_id=account_id)
    most = own_limits.UNREAD_MAX
    answer = UnreadAnswer(unread=min(count, most), is_more=count > most)
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/notifications/read",
    status_code=204,
    openapi_extra=takes(ReadBody),
    summary="You have read all up to one",
)
async def post_read(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """`up_to` is the number of the newest that you saw: what came since stays unread."""
    body = (await read_json(request)).parse(ReadBody)
    async with edge.resources.database.connection() as connection:
        await inbox.mark_all_read(
            connection,
            caller.client_id,
            up_to=body.up_to,
            account_id=account_of(body.account_id),
            at=edge.resources.clock.now(),
        )
    return Response(status_code=204)


@router.post("/notifications/{notification_id}/read", status_code=204, summary="You have read one")
async def post_read_one(notification_id: UUID, edge: TheEdge, caller: TheCaller) -> Response:
    """204, again too; 404 if it is none of yours."""
    now = edge.resources.clock.now()
    async with edge.resources.database.connection() as connection:
        if not await inbox.mark_read(connection, caller.client_id, notification_id, now):
            raise ProblemError(404, "notification_not_found", "there is no such notification")
    return Response(status_code=204)


@router.get(
    "/notifications/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}},
    openapi_extra=takes(None, "Last-Event-ID", "Prefer"),
    dependencies=[Depends(refuse_repeats)],
    summary="Follow your notifications",
)
async def get_events(
    request: Request, edge: TheEdge, caller: TheCaller, account_id: UUID | None = None
) -> Response:
    """Each once, from now on or from after Last-Event-ID, in the order of their numbers.

    With `Prefer: wait=n` the stream ends after so many seconds, if it is not ended before. 429 to
    who has too many streams open.
    """
    client_id, seen = caller.client_id, _last_event(request)
    if seen is None:
        async with edge.resources.database.connection() as connection:
            seen = (await inbox.last_numbers(connection, [client_id])).get(client_id, 0)
    texts = _stream(edge, client_id, seen, account_id, lasts_s=wait_of(request.scope))
    return EventStream(request, texts, edge.streams)


def _last_event(request: Request) -> int | None:
    """The number of the last one that the client has seen; what is not ours is not heeded."""
    for value in header_values(request.scope, b"last-event-id"):
        if value.isdigit() and len(value) <= _NUMBER_DIGITS_MAX:
            return int(value)
    return None


async def _stream(
    edge: NotificationsEdge,
    client_id: str,
    seen: int,
    account_id: UUID | None,
    *,
    lasts_s: float | None,
) -> AsyncGenerator[str]:
    clock = edge.resources.clock
    ends_at_s = clock.monotonic_s() + (limits.STREAM_S_MAX if lasts_s is None else lasts_s)
    try:
        while True:
            left_s = max(0.0, ends_at_s - clock.monotonic_s())
            number = await edge.numbers.wait_for(
                client_id,
                lambda number, known=seen: number > known,  # type: ignore[misc]
                timeout_s=min(left_s, limits.STREAM_HEARTBEAT_S),
            )
            if number is None and clock.monotonic_s() >= ends_at_s:
                return
            if number is None:
                yield _HEARTBEAT
                continue
            async with edge.resources.database.connection() as connection:
                rows = await inbox.after(connection, client_id, seen, account_id=account_id)
                answers = await edge.told(connection, client_id, rows)
            for answer in answers:
                yield _event_text(answer)
            # Where a page is full there are more; else nothing up to that number is left.
            is_full = len(rows) == own_limits.SEEN_ROWS_MAX
            seen = rows[-1].number if is_full else max(number, *(row.number for row in rows), 0)
    except Unavailable:
        # The client comes back by itself and goes on after the last event it has.
        return


def _event_text(answer: NotificationAnswer) -> str:
    return f"id: {answer.number}\nevent: notification\ndata: {answer.model_dump_json()}\n\n"
