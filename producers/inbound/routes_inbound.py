"""POST /inbound/{provider}: a provider's webhook, proven and published once.

-> inbound.received
"""

import hashlib
from typing import Any, Final, Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import Invalid, Unavailable, Unknown
from producers.inbound import receipts
from producers.inbound.decide import message_of, name_of, purpose_of, request_id_of, text_of
from producers.inbound.edge import InboundEdge, Served, TheEdge
from producers.inbound.proof import Received
from producers.inbound.receipts import CLAIM_S
from runtime import limits
from runtime.http.body import read_raw
from runtime.http.problem import ProblemError
from runtime.http.scope import HEADERS, traceparent_of
from schemas.inbound import InboundReceived

router = APIRouter(tags=["inbound"])

INBOUND_BYTES_MAX: Final = 128 * 1024
"""A webhook's body is at most this large: sealed, it still fits into a record."""

log = structlog.get_logger()

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "whatever the provider sends, signed as inbound.yaml says",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ReceivedAnswer(BaseModel):
    """What became of a webhook: it is in the log, now or since before."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["received", "repeated"]


@router.post(
    "/inbound/{provider}",
    response_model=ReceivedAnswer,
    openapi_extra=_BODY,
    summary="A provider's webhook",
)
async def post_inbound(provider: str, request: Request, edge: TheEdge) -> Response:
    """200 once it is in the log, or if it was there before; 401 unless the signature holds."""
    return await _receive(provider, request, edge)


@router.put(
    "/inbound/{provider}",
    response_model=ReceivedAnswer,
    openapi_extra=_BODY,
    summary="The same, of a provider that sends its webhooks by PUT",
)
async def put_inbound(provider: str, request: Request, edge: TheEdge) -> Response:
    """As by POST."""
    return await _receive(provider, request, edge)


async def _receive(name: str, request: Request, edge: InboundEdge) -> Response:
    served = edge.providers.get(name)
    if served is None:
        raise ProblemError(404, "not_found", "there is nothing here")
    message = Received(_headers(request), await read_raw(request, bytes_max=INBOUND_BYTES_MAX))
    now_s = int(edge.resources.clock.now().timestamp())
    try:
        digest = await served.check(message, now_s=now_s)
    except Invalid:
        raise ProblemError(401, "invalid_signature", "the signature does not hold") from None
    called = name_of(served.provider, message, digest=digest)
    is_new = await _publish_once(edge, name, served, message, called, traceparent_of(request.scope))
    return JSONResponse({"status": "received" if is_new else "repeated"})


async def _publish_once(
    edge: InboundEdge,
    name: str,
    served: Served,
    message: Received,
    called: str,
    traceparent: str | None,
) -> bool:
    """Whether it was published now; not if it was before. Unavailable if neither can be said."""
    resources, clock = edge.resources, edge.resources.clock
    request_id, claim_id = request_id_of(name, called), clock.random_id()
    body_sha256 = hashlib.sha256(message.body).hexdigest()
    async with resources.database.connection() as connection:
        receipt = await receipts.claim(
            connection,
            request_id,
            provider=name,
            body_sha256=body_sha256,
            claim_id=claim_id,
            now=clock.now(),
        )
    if not receipt.is_same:
        log.warning("inbound_id_with_another_body", provider=name, request_id=str(request_id))
    if receipt.is_published:
        return False
    if not receipt.is_mine:
        raise _under_way()
    text = text_of(message.body)
    is_personal = served.provider.data == "personal"
    event = InboundReceived(
        request_id=request_id,
        requested_at=receipt.received_at,
        provider=name,
        provider_event_id=called,
        body_sha256=body_sha256,
        body=None if is_personal else text,
        body_sealed=resources.vault.seal(text, purpose_of(request_id)) if is_personal else None,
    )
    record = message_of(event, now=clock.now(), traceparent=traceparent)
    try:
        await resources.publisher.publish([record], deadline_s=limits.EDGE_PUBLISH_S_MAX)
    except Unknown:
        # It may be in the log. The provider comes again once the claim has lapsed, and then the
        # same event is published again, which its readers know by its id.
        raise
    except Unavailable:
        async with resources.database.connection() as connection:
            await receipts.release(connection, request_id, claim_id)
        raise
    async with resources.database.connection() as connection:
        await receipts.published(connection, request_id, clock.now())
    return True


def _headers(request: Request) -> dict[str, str]:
    """Header values by name, without those that came twice: nobody can tell which one counts."""
    headers: dict[bytes, list[bytes]] = request.scope[HEADERS]
    return {
        name.decode("latin-1"): values[0].decode("latin-1")
        for name, values in headers.items()
        if len(values) == 1
    }


def _under_way() -> ProblemError:
    return ProblemError(
        503,
        "under_way",
        "the same message is being received just now; send it again",
        headers={"Retry-After": str(int(CLAIM_S))},
    )
