"""Endpoints: POST, GET, PATCH and DELETE /webhooks/endpoints.

-> (nothing)
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Invalid
from domain.webhook import TEST_EVENT
from producers.webhooks import endpoints
from producers.webhooks.answers import IF_MATCH_REQUIRED, conflict, endpoint_answer, etag, json_of
from producers.webhooks.edge import TheEdge, demand_version, no_endpoint
from producers.webhooks.endpoints import Endpoint, Owner
from producers.webhooks.models import (
    EndpointAnswer,
    EndpointBody,
    EndpointChangeBody,
    EventTypesAnswer,
    NewEndpointAnswer,
)
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, page_of, refuse_repeats
from runtime.standard_webhooks import Scheme, new_secret
from schemas.public import PUBLIC_TYPES

router = APIRouter(tags=["endpoints"])

_JSON: Final = "application/json"


@router.get("/webhooks/event-types", response_model=EventTypesAnswer, summary="What can be told of")
async def get_event_types() -> Response:
    """Every type; filters name them, with or without their version, or their begins."""
    return json_of(EventTypesAnswer(data=sorted({*PUBLIC_TYPES, TEST_EVENT})))


@router.post(
    "/webhooks/endpoints",
    status_code=201,
    response_model=NewEndpointAnswer,
    openapi_extra=takes(EndpointBody),
    summary="Be told at a URL; the secret is shown this once",
)
async def post_endpoint(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """422 `url_refused` unless the URL is one of the public Internet; 409 after too many."""
    body = (await read_json(request)).parse(EndpointBody)
    edge.demand_url(body.url)
    endpoint = Endpoint(
        endpoint_id=edge.new_id(),
        version=1,
        url=body.url,
        event_types=tuple(body.event_types),
        description=body.description,
        rate_per_s=body.rate_per_s,
        is_ordered=body.is_ordered,
        created_at=edge.now,
        disabled_at=None,
        disabled_reason=None,
        failing_since=None,
    )
    secret = new_secret(Scheme(body.scheme))
    try:
        async with edge.unit() as connection:
            await endpoints.add(
                connection,
                edge.words_of(caller),
                Owner(caller.client_id, caller.person_id),
                endpoint,
            )
            await endpoints.add_secret(
                connection,
                edge.words_of(caller),
                endpoint.endpoint_id,
                secret_id=edge.new_id(),
                secret=secret,
                at=endpoint.created_at,
            )
    except Invalid as error:
        raise conflict(error) from None
    shown = endpoint_answer(endpoint, [None]).model_dump()
    answer = NewEndpointAnswer(**shown, scheme=secret.scheme, secret=secret.shown)
    headers = {"Location": f"/webhooks/endpoints/{endpoint.endpoint_id}", **etag(endpoint)}
    return json_of(answer, status=201, headers=headers)


@router.get(
    "/webhooks/endpoints",
    response_model=Page[EndpointAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="Your endpoints, the oldest first",
)
async def get_endpoints(
    query: Annotated[PageQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """Disabled ones too; never a secret."""
    cursors, scope = edge.resources.cursors, f"webhook-endpoints|{caller.client_id}"
    after = None
    if query.cursor is not None:
        created_at, last_id = cursors.read(query.cursor, scope=scope)
        after = (datetime.fromisoformat(created_at), UUID(last_id))
    async with edge.resources.database.connection() as connection:
        found = await endpoints.list_of(
            connection, edge.words_of(caller), caller.client_id, after=after, limit=query.limit + 1
        )
        ids = [each.endpoint_id for each in found]
        expiries = await endpoints.secret_expiries(connection, ids, edge.now)
    page = page_of(
        found,
        limit=query.limit,
        document=lambda each: endpoint_answer(each, expiries.get(each.endpoint_id, [])),
        cursor=lambda each: cursors.write(
            [each.created_at.isoformat(), str(each.endpoint_id)], scope=scope
        ),
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.get(
    "/webhooks/endpoints/{endpoint_id}", response_model=EndpointAnswer, summary="One endpoint"
)
async def get_endpoint(endpoint_id: UUID, edge: TheEdge, caller: TheCaller) -> Response:
    """Its ETag names the version that a change has to name."""
    async with edge.resources.database.connection() as connection:
        endpoint = await endpoints.read(
            connection, edge.words_of(caller), caller.client_id, endpoint_id
        )
        if endpoint is None:
            raise no_endpoint()
        expiries = await endpoints.secret_expiries(connection, [endpoint_id], edge.now)
    return json_of(endpoint_answer(endpoint, expiries.get(endpoint_id, [])), headers=etag(endpoint))


@router.patch(
    "/webhooks/endpoints/{endpoint_id}",
    response_model=EndpointAnswer,
    openapi_extra=takes(EndpointChangeBody) | {"parameters": [IF_MATCH_REQUIRED]},
    dependencies=[Depends(demand_version)],
    summary="Change an endpoint",
)
async def patch_endpoint(
    endpoint_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """428 without If-Match, 412 if somebody changed it meanwhile. What is absent stays."""
    body = (await read_json(request)).parse(EndpointChangeBody)
    changes = body.model_dump(exclude_unset=True)
    if body.url is not None:
        edge.demand_url(body.url)
    async with edge.unit() as connection:
        await edge.locked(connection, request, caller, endpoint_id)
        endpoint = await endpoints.change(connection, edge.words_of(caller), endpoint_id, changes)
        expiries = await endpoints.secret_expiries(connection, [endpoint_id], edge.now)
    return json_of(endpoint_answer(endpoint, expiries.get(endpoint_id, [])), headers=etag(endpoint))


@router.delete(
    "/webhooks/endpoints/{endpoint_id}",
    status_code=204,
    openapi_extra={"parameters": [IF_MATCH_REQUIRED]},
    dependencies=[Depends(demand_version)],
    summary="Be told there no more",
)
async def delete_endpoint(
    endpoint_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """What was on its way to it may still arrive; what waits does not."""
    async with edge.unit() as connection:
        await edge.locked(connection, request, caller, endpoint_id)
        await endpoints.remove(connection, endpoint_id)
    return Response(status_code=204)
