"""Who else may pay from a handle: its holder lets programs, one by one, and takes it back.

-> payer.changed
"""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from producers.handles.decide import SOURCE
from producers.handles.edge import HandlesEdge, TheEdge
from projections import payer_grants
from projections.directory import lock_handles
from runtime.contact_handles import handle_of
from runtime.database import Connection
from runtime.http.caller import Caller, TheCaller
from runtime.http.problem import ProblemError
from runtime.http.scope import traceparent_of
from runtime.outbox import put
from schemas.payer import PayerChanged
from schemas.wire import first_message

router = APIRouter(tags=["payers"])

PAYERS_MAX: Final = 20
"""Programs that may pay from one handle."""

_PROGRAM = re.compile(r"client:[a-z][a-z0-9-]{0,47}\Z")

_KNOWN: Final = "SELECT 1 FROM auth_clients WHERE client_id = $1 AND revoked_at IS NULL"

ProgramId = Annotated[str, Path(description="`client:` and the program's name")]


class PayersAnswer(BaseModel):
    """The programs that may pay from a handle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: list[str]


@router.get(
    "/handles/{handle}/payers",
    response_model=PayersAnswer,
    summary="The programs that may pay from your handle",
)
async def get_payers(handle: str, edge: TheEdge, caller: TheCaller) -> Response:
    """404 if you hold no such handle."""
    name = handle_of(handle, edge.resources.vault)
    async with edge.resources.database.connection() as connection, connection.transaction():
        await _demand_own(connection, name, caller)
        programs = await payer_grants.list_programs(
            connection, name, owner_client_id=caller.client_id, limit=PAYERS_MAX
        )
    answer = PayersAnswer(data=list(programs))
    return Response(answer.model_dump_json(), media_type="application/json")


@router.put(
    "/handles/{handle}/payers/{program_id}",
    status_code=204,
    summary="Let a program pay from your handle",
)
async def put_payer(
    handle: str, program_id: ProgramId, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """404 if you hold no such handle, or there is no such program."""
    name, program = handle_of(handle, edge.resources.vault), _program(program_id)
    async with edge.resources.database.connection() as connection, connection.transaction():
        await _demand_own(connection, name, caller)
        if await connection.fetchval(_KNOWN, program) is None:
            raise _no_program()
        allowed = await payer_grants.list_programs(
            connection, name, owner_client_id=caller.client_id, limit=PAYERS_MAX
        )
        if program not in allowed:
            if len(allowed) >= PAYERS_MAX:
                raise ProblemError(
                    409, "too_many_payers", f"a handle has at most {PAYERS_MAX} payers"
                )
            await payer_grants.allow(connection, (program, name, caller.client_id))
            await _tell(edge, request, connection, caller, name, program, is_allowed=True)
    return Response(status_code=204)


@router.delete(
    "/handles/{handle}/payers/{program_id}",
    status_code=204,
    summary="Let a program pay from your handle no more",
)
async def delete_payer(
    handle: str, program_id: ProgramId, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """404 if you hold no such handle, or the program may not pay from it."""
    name, program = handle_of(handle, edge.resources.vault), _program(program_id)
    async with edge.resources.database.connection() as connection, connection.transaction():
        await _demand_own(connection, name, caller)
        if not await payer_grants.withdraw(connection, (program, name, caller.client_id)):
            raise _no_program()
        await _tell(edge, request, connection, caller, name, program, is_allowed=False)
    return Response(status_code=204)


async def _demand_own(connection: Connection, handle: str, caller: Caller) -> None:
    """ProblemError 404 unless the caller holds the handle. Locks it: changes come in order."""
    entry = (await lock_handles(connection, [handle])).get(handle)
    if entry is None or entry.target is None or entry.client_id != caller.client_id:
        raise ProblemError(404, "handle_unknown", "you hold no such handle")


async def _tell(
    edge: HandlesEdge,
    request: Request,
    connection: Connection,
    caller: Caller,
    handle: str,
    program: str,
    *,
    is_allowed: bool,
) -> None:
    clock = edge.resources.clock
    request_id, now = clock.random_id(), clock.now()
    event = PayerChanged(
        request_id=request_id,
        requested_at=now,
        handle=handle,
        owner_client_id=caller.client_id,
        program_id=program,
        is_allowed=is_allowed,
    )
    message = first_message(
        event,
        event_id=request_id,
        source=SOURCE,
        now=now,
        traceparent=traceparent_of(request.scope),
    )
    await put(connection, [message])


def _program(program_id: str) -> str:
    if not _PROGRAM.match(program_id):
        raise _no_program()
    return program_id


def _no_program() -> ProblemError:
    return ProblemError(404, "program_not_found", "there is no such program")
