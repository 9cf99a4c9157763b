"""GET /payments/{id}/events: a payment's states as they come, as server-sent events."""

from collections.abc import AsyncGenerator
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from domain.errors import Unavailable
from domain.payment import FINAL, RANK
from producers.payments.answers import events_of
from producers.payments.edge import PaymentsEdge, TheEdge
from producers.payments.models import PaymentAnswer, PaymentEvent
from producers.payments.routes_payments import payment_answer
from runtime.http import limits
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.scope import header_values
from runtime.http.streams import EventStream

router = APIRouter(tags=["payments"])

_NOTHING_SEEN: Final = -1
_HEARTBEAT: Final = ": still here\n\n"
_LAST_EVENT_DIGITS_MAX: Final = 2


@router.get(
    "/payments/{payment_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}},
    openapi_extra=takes(None, "Last-Event-ID"),
    summary="Follow a payment",
)
async def get_events(
    payment_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """Each state once, from the first or from after Last-Event-ID; ends after the final state.

    429 to who has too many streams open.
    """
    answer = await payment_answer(edge, payment_id, client_id=caller.client_id)
    texts = _stream(edge, answer, client_id=caller.client_id, seen=_last_event(request))
    return EventStream(request, texts, edge.streams)


def _last_event(request: Request) -> int:
    """The rank of the last state that the client has seen; what is not ours is not heeded."""
    for value in header_values(request.scope, b"last-event-id"):
        if value.isdigit() and len(value) <= _LAST_EVENT_DIGITS_MAX:
            return int(value)
    return _NOTHING_SEEN


async def _stream(
    edge: PaymentsEdge, answer: PaymentAnswer, *, client_id: str, seen: int
) -> AsyncGenerator[str]:
    clock = edge.resources.clock
    ends_at_s = clock.monotonic_s() + limits.STREAM_S_MAX
    try:
        while True:
            for event in events_of(answer):
                if RANK[event.state] > seen:
                    seen = RANK[event.state]
                    yield _event_text(event)
            if answer.state in FINAL or clock.monotonic_s() >= ends_at_s:
                return
            known = seen
            state = await edge.states.wait_for(
                answer.id,
                lambda state, known=known: RANK[state] > known,  # type: ignore[misc]
                timeout_s=limits.STREAM_HEARTBEAT_S,
            )
            if state is None:
                yield _HEARTBEAT
            else:
                answer = await payment_answer(edge, answer.id, client_id=client_id)
    except Unavailable:
        # The client comes back by itself and goes on after the last event it has.
        return


def _event_text(event: PaymentEvent) -> str:
    data = event.model_dump_json(exclude_none=True)
    return f"id: {RANK[event.state]}\nevent: payment.{event.state}\ndata: {data}\n\n"
