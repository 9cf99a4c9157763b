"""What was told: GET /webhooks/deliveries, and how to hear it again: retry, replay and recover.

-> (nothing)
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Invalid
from domain.webhook import REPLY_PURPOSE, DeliveryState
from producers.webhooks import deliveries, limits
from producers.webhooks.deliveries import Attempt, Delivery, Filters, Replay, Wish
from producers.webhooks.edge import TheEdge, WebhooksEdge, disabled, no_delivery, no_endpoint
from producers.webhooks.models import (
    AttemptAnswer,
    DeliveryAnswer,
    DeliveryDetailAnswer,
    RecoverBody,
    ReplayAnswer,
    ReplayBody,
)
from projections.webhook_events import release
from runtime.http.body import read_json
from runtime.http.caller import Caller, TheCaller
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, page_of, refuse_repeats
from runtime.http.problem import ProblemError
from runtime.webhook_words import Word

router = APIRouter(tags=["deliveries"])

_JSON: Final = "application/json"


class DeliveriesQuery(PageQuery):
    """The filters of the list."""

    endpoint_id: UUID | None = None
    event_id: UUID | None = None
    state: DeliveryState | None = None


@router.get(
    "/webhooks/deliveries",
    response_model=Page[DeliveryAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="What you were told, and what you will be: the newest first",
)
async def get_deliveries(
    query: Annotated[DeliveriesQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """Narrowed by endpoint, event and state."""
    filters = Filters(query.endpoint_id, query.event_id, query.state)
    cursors, scope = edge.resources.cursors, f"webhook-deliveries|{caller.client_id}|{filters}"
    after = None
    if query.cursor is not None:
        created_at, last_id = cursors.read(query.cursor, scope=scope)
        after = (datetime.fromisoformat(created_at), UUID(last_id))
    async with edge.resources.database.connection() as connection:
        found = await deliveries.list_of(
            connection, caller.client_id, filters, after=after, limit=query.limit + 1
        )
    page = page_of(
        found,
        limit=query.limit,
        document=_answer,
        cursor=lambda each: cursors.write(
            [each.created_at.isoformat(), str(each.delivery_id)], scope=scope
        ),
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.get(
    "/webhooks/deliveries/{delivery_id}",
    response_model=DeliveryDetailAnswer,
    summary="One delivery, with each attempt",
)
async def get_delivery(delivery_id: UUID, edge: TheEdge, caller: TheCaller) -> Response:
    """With the event as it is sent, and the first KiB of each reply."""
    async with edge.resources.database.connection() as connection:
        delivery = await deliveries.read(connection, caller.client_id, delivery_id)
        if delivery is None:
            raise no_delivery()
        body = await deliveries.body_of(connection, delivery.event_id)
        attempts = await deliveries.attempts_of(connection, delivery_id)
    sealed = [each.reply_sealed for each in attempts if each.reply_sealed is not None]
    replies = await edge.words_of(caller).open(
        [Word(REPLY_PURPOSE, delivery_id, each) for each in sealed]
    )
    opened = dict(zip(sealed, replies, strict=True))
    answer = DeliveryDetailAnswer(
        **_answer(delivery).model_dump(),
        event=body,
        attempt_list=[_attempt(each, opened) for each in attempts],
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/webhooks/deliveries/{delivery_id}/retry",
    status_code=202,
    response_model=DeliveryAnswer,
    summary="Send a delivery now, under the same id",
)
async def post_retry(delivery_id: UUID, edge: TheEdge, caller: TheCaller) -> Response:
    """Whatever its state. 429 shortly after an attempt, or while it is about to be sent anyway.

    410 once its event is not kept any more: it may have been sent again since then.
    """
    now = edge.now
    async with edge.unit() as connection:
        known = await deliveries.read(connection, caller.client_id, delivery_id)
        if known is None:
            raise no_delivery()
        subject = await deliveries.retry(connection, caller.client_id, delivery_id, now)
        if subject is None and not await deliveries.body_of(connection, known.event_id):
            raise ProblemError(
                410, "event_forgotten", f"its event was kept for {limits.KEPT_DAYS} days"
            )
        if subject is None:
            raise ProblemError(
                429,
                "retried_too_soon",
                "its endpoint is disabled, or it was tried a moment ago, or is about to be",
                headers={"Retry-After": str(limits.RETRY_PAUSE_S)},
            )
        await release(connection, [subject], now)
        delivery = await deliveries.read(connection, caller.client_id, delivery_id)
    assert delivery is not None
    return Response(_answer(delivery).model_dump_json(), status_code=202, media_type=_JSON)


@router.post(
    "/webhooks/endpoints/{endpoint_id}/replay",
    status_code=202,
    response_model=ReplayAnswer,
    openapi_extra=takes(ReplayBody),
    summary="Be told again, under the same ids: since a time or a place in the log",
)
async def post_replay(
    endpoint_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """Also of what the endpoint was never told. Goes on at a capped rate: see its progress."""
    body = (await read_json(request)).parse(ReplayBody)
    now, position = edge.now, body.position
    wish = Wish(
        is_recovery=False,
        since=_since(body.since, now),
        until=min(body.until or now, now),
        event_types=tuple(body.event_types),
        subject=body.subject,
        position=None
        if position is None
        else (position.topic, position.partition, position.offset),
    )
    return await _begin(edge, caller, endpoint_id, wish, now)


@router.post(
    "/webhooks/endpoints/{endpoint_id}/recover",
    status_code=202,
    response_model=ReplayAnswer,
    openapi_extra=takes(RecoverBody),
    summary="Send all that is dead again, under the same ids",
)
async def post_recover(
    endpoint_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """Since a time, or all. Goes on at a capped rate: see its progress."""
    body = (await read_json(request)).parse(RecoverBody)
    now = edge.now
    wish = Wish(is_recovery=True, since=_since(body.since, now), until=now)
    return await _begin(edge, caller, endpoint_id, wish, now)


@router.get(
    "/webhooks/replays/{replay_id}",
    response_model=ReplayAnswer,
    summary="How far a replay has come",
)
async def get_replay(replay_id: UUID, edge: TheEdge, caller: TheCaller) -> Response:
    """`finished_at` is null while it goes on."""
    async with edge.resources.database.connection() as connection:
        replay = await deliveries.read_replay(connection, caller.client_id, replay_id)
    if replay is None:
        raise ProblemError(404, "replay_not_found", "there is no such replay")
    return _replay_response(replay, status=200)


async def _begin(
    edge: WebhooksEdge, caller: Caller, endpoint_id: UUID, wish: Wish, now: datetime
) -> Response:
    try:
        async with edge.unit() as connection:
            endpoint = await deliveries.lock_endpoint(connection, caller.client_id, endpoint_id)
            if endpoint is None:
                raise no_endpoint()
            if endpoint.is_disabled:
                raise disabled()
            replay = await deliveries.add_replay(
                connection,
                caller.client_id,
                endpoint_id,
                wish,
                replay_id=edge.new_id(),
                at=now,
            )
    except Invalid as error:
        raise ProblemError(409, error.code, error.message) from None
    return _replay_response(replay, status=202)


def _since(since: datetime | None, now: datetime) -> datetime:
    kept = now - timedelta(days=limits.KEPT_DAYS)
    return kept if since is None else max(since.astimezone(UTC), kept)


def _answer(delivery: Delivery) -> DeliveryAnswer:
    is_due = delivery.state is DeliveryState.PENDING
    return DeliveryAnswer(
        id=delivery.delivery_id,
        endpoint_id=delivery.endpoint_id,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        subject=delivery.subject,
        state=delivery.state,
        attempts=delivery.attempts,
        due_at=delivery.due_at if is_due else None,
        created_at=delivery.created_at,
        finished_at=delivery.finished_at,
        last_outcome=delivery.last_outcome,
    )


def _attempt(attempt: Attempt, replies: Mapping[str, str]) -> AttemptAnswer:
    sealed = attempt.reply_sealed
    return AttemptAnswer(
        attempt=attempt.attempt,
        started_at=attempt.started_at,
        latency_ms=attempt.latency_ms,
        outcome=attempt.outcome,
        status=attempt.status,
        reply=None if sealed is None else replies[sealed],
    )


def _replay_response(replay: Replay, *, status: int) -> Response:
    answer = ReplayAnswer(
        replay_id=replay.replay_id,
        endpoint_id=replay.endpoint_id,
        is_recovery=replay.is_recovery,
        events=replay.events,
        events_done=replay.events_done,
        created_at=replay.created_at,
        finished_at=replay.finished_at,
    )
    headers = {"Location": f"/webhooks/replays/{replay.replay_id}"}
    return Response(answer.model_dump_json(), status_code=status, media_type=_JSON, headers=headers)
