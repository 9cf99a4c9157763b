"""The care of an endpoint: enabling it again, its secrets, and test events.

-> (nothing)
"""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Invalid
from domain.webhook import TEST_EVENT
from producers.webhooks import deliveries, endpoints, limits
from producers.webhooks.answers import IF_MATCH, conflict, endpoint_answer, etag, json_of
from producers.webhooks.edge import TheEdge, disabled, no_endpoint
from producers.webhooks.models import EndpointAnswer, RotateBody, SecretAnswer, TestAnswer
from projections.webhook_events import plan_one
from projections.webhook_fold import ToldEvent
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.problem import ProblemError
from runtime.standard_webhooks import new_secret

router = APIRouter(tags=["endpoints"])


@router.post(
    "/webhooks/endpoints/{endpoint_id}/enable",
    response_model=EndpointAnswer,
    openapi_extra={"parameters": [IF_MATCH]},
    summary="Be told again at an endpoint that was disabled",
)
async def post_enable(
    endpoint_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """Its failures are forgiven. What it missed comes again by `recover` or `replay`."""
    async with edge.unit() as connection:
        await edge.locked(connection, request, caller, endpoint_id)
        endpoint = await endpoints.enable(connection, edge.words_of(caller), endpoint_id)
        expiries = await endpoints.secret_expiries(connection, [endpoint_id], edge.now)
    return json_of(endpoint_answer(endpoint, expiries.get(endpoint_id, [])), headers=etag(endpoint))


@router.post(
    "/webhooks/endpoints/{endpoint_id}/secret",
    response_model=SecretAnswer,
    openapi_extra={**takes(RotateBody), "parameters": [IF_MATCH]},
    summary="Rotate the secret; the new one is shown this once",
)
async def post_secret(
    endpoint_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """Both sign for `overlap_s`, then the new one alone; 409 while two do already."""
    body = (await read_json(request)).parse(RotateBody)
    now = edge.now
    old_expires_at = now + timedelta(seconds=body.overlap_s)
    try:
        async with edge.unit() as connection:
            await edge.locked(connection, request, caller, endpoint_id)
            old = await endpoints.newest_secret(connection, endpoint_id)
            scheme = await endpoints.scheme_of(edge.words_of(caller), endpoint_id, old)
            secret = new_secret(scheme)
            await endpoints.end_secrets(connection, endpoint_id, at=now, ends_at=old_expires_at)
            await endpoints.add_secret(
                connection,
                edge.words_of(caller),
                endpoint_id,
                secret_id=edge.new_id(),
                secret=secret,
                at=now,
            )
            await endpoints.change(connection, edge.words_of(caller), endpoint_id, {})
    except Invalid as error:
        raise conflict(error) from None
    return json_of(
        SecretAnswer(scheme=secret.scheme, secret=secret.shown, old_expires_at=old_expires_at)
    )


@router.post(
    "/webhooks/endpoints/{endpoint_id}/test",
    status_code=202,
    response_model=TestAnswer,
    summary="Send a test event, whatever the endpoint's filters say",
)
async def post_test(endpoint_id: UUID, edge: TheEdge, caller: TheCaller) -> Response:
    """429 after too many within a minute, 409 while the endpoint is disabled."""
    now, event_id = edge.now, edge.new_id()
    body = {
        "id": event_id,
        "type": TEST_EVENT,
        "occurred_at": now,
        "subject": endpoint_id,
        "data": {"endpoint_id": endpoint_id},
    }
    event = ToldEvent(
        event_id=event_id,
        client_id=caller.client_id,
        event_type=TEST_EVENT,
        subject=endpoint_id,
        rank=None,
        started_at=now,
        occurred_at=now,
        topic=None,
        partition=None,
        offset=None,
        body=to_json(body).decode(),
    )
    async with edge.unit() as connection:
        endpoint = await endpoints.read(
            connection, edge.words_of(caller), caller.client_id, endpoint_id, lock=True
        )
        if endpoint is None:
            raise no_endpoint()
        if endpoint.disabled_at is not None:
            raise disabled()
        since = now - timedelta(minutes=1)
        if await deliveries.count_tests(connection, caller.client_id, since) >= (
            limits.TESTS_PER_MINUTE_MAX
        ):
            raise ProblemError(
                429,
                "too_many_tests",
                f"at most {limits.TESTS_PER_MINUTE_MAX} test events a minute",
                headers={"Retry-After": "60"},
            )
        delivery_id = await plan_one(connection, event, endpoint_id, now)
    return json_of(TestAnswer(delivery_id=delivery_id, event_id=event_id), status=202)
