"""POST, GET and DELETE /devices: where a person's pushes go."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Defect
from producers.notifications import devices
from producers.notifications.decide import device_answer, token_of
from producers.notifications.devices import Device
from producers.notifications.edge import TheEdge
from producers.notifications.models import DeviceAnswer, DeviceBody
from runtime.http.body import read_json
from runtime.http.caller import Caller, TheCaller
from runtime.http.openapi import takes
from runtime.http.page import Page
from runtime.http.problem import ProblemError

router = APIRouter(tags=["devices"])

_JSON: Final = "application/json"


@router.post(
    "/devices",
    status_code=201,
    response_model=DeviceAnswer,
    responses={200: {"model": DeviceAnswer, "description": "It was yours before"}},
    openapi_extra=takes(DeviceBody),
    summary="Let pushes come to a device",
)
async def post_device(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """201, or 200 if it was there. A token that was somebody else's is theirs no more."""
    body = (await read_json(request)).parse(DeviceBody)
    vault, person_id = edge.resources.vault, _person_of(caller)
    token = token_of(body.platform, body.token)
    index = vault.blind_index(devices.INDEX_COLUMN, f"{body.platform} {token}")
    device_id = devices.device_id_of(person_id, body.platform, index)
    [sealed] = await vault.seal_for(person_id, [(devices.binding_of(device_id, person_id), token)])
    device = Device(
        device_id=device_id,
        person_id=person_id,
        platform=body.platform,
        token_sealed=str(sealed),
        token_index=index,
        registered_at=edge.resources.clock.now(),
    )
    async with edge.resources.database.connection() as connection, connection.transaction():
        is_new = await devices.register(connection, device)
    return Response(
        device_answer(device).model_dump_json(),
        status_code=201 if is_new else 200,
        headers={"Location": f"/devices/{device_id}"},
        media_type=_JSON,
    )


@router.get("/devices", response_model=Page[DeviceAnswer], summary="Your devices")
async def get_devices(edge: TheEdge, caller: TheCaller) -> Response:
    """All of them on one page, the oldest first; their tokens are told to nobody."""
    async with edge.resources.database.connection() as connection:
        found = await devices.devices_of(connection, _person_of(caller))
    page = Page(data=[device_answer(each) for each in found], has_more=False, next_cursor=None)
    return Response(page.model_dump_json(), media_type=_JSON)


@router.delete("/devices/{device_id}", status_code=204, summary="No more pushes to a device")
async def delete_device(device_id: UUID, edge: TheEdge, caller: TheCaller) -> Response:
    """204; 404 if it is none of yours."""
    async with edge.resources.database.connection() as connection:
        if not await devices.remove(connection, _person_of(caller), device_id):
            raise ProblemError(404, "device_not_found", "there is no such device")
    return Response(status_code=204)


def _person_of(caller: Caller) -> UUID:
    """The person who calls; the rule of these routes lets in nobody else."""
    if caller.person_id is None:
        raise Defect("a route about devices let in somebody who is no person")
    return caller.person_id
