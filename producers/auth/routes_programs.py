"""What staff does about programs: clients of the API, their secrets and API keys.

-> credentials.created | credentials.revoked
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from producers.auth import programs
from producers.auth.edge import TheEdge
from producers.auth.models import (
    ClientAnswer,
    ClientBody,
    CredentialAnswer,
    CredentialBody,
    NewCredentialAnswer,
)
from producers.auth.programs import PROGRAM_PREFIX, Credential, Program
from runtime.http.audit import record_act
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, page_of, refuse_repeats
from runtime.http.problem import ProblemError

router = APIRouter(tags=["programs"])

_JSON: Final = "application/json"

ClientIdPath = Annotated[str, Path(pattern=r"^client:[a-z][a-z0-9-]{0,47}$")]


@router.post(
    "/auth/clients",
    status_code=201,
    response_model=ClientAnswer,
    openapi_extra=takes(ClientBody),
    summary="A program that may call the API",
)
async def post_client(request: Request, edge: TheEdge) -> Response:
    """409 if there is one of this name. It gets its secrets by a request of its own."""
    body = (await read_json(request)).parse(ClientBody)
    act, client_id = edge.act(request), PROGRAM_PREFIX + body.name
    async with edge.resources.database.connection() as connection, connection.transaction():
        if not await programs.add_program(connection, client_id, scopes=body.scopes, at=act.at):
            raise ProblemError(409, "client_exists", "there is a program of this name")
        await record_act(request, connection, "client.create", client_id)
    edge.relay.wake()
    answer = _client_answer(Program(client_id, tuple(sorted(body.scopes)), act.at, None))
    return Response(answer.model_dump_json(), status_code=201, media_type=_JSON)


@router.get(
    "/auth/clients",
    response_model=Page[ClientAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="All programs, by their ids",
)
async def get_clients(query: Annotated[PageQuery, Query()], edge: TheEdge) -> Response:
    """Revoked ones too."""
    cursors, scope = edge.resources.cursors, "auth-clients"
    after = None
    if query.cursor is not None:
        [after] = cursors.read(query.cursor, scope=scope)
    async with edge.resources.database.connection() as connection:
        found = await programs.list_programs(connection, after=after, limit=query.limit + 1)
    page = page_of(
        found,
        limit=query.limit,
        document=_client_answer,
        cursor=lambda program: cursors.write([program.client_id], scope=scope),
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.delete("/auth/clients/{client_id}", status_code=204, summary="Let a program in no more")
async def delete_client(
    client_id: ClientIdPath, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """All that it could show counts no more, and its tokens neither."""
    act = edge.act(request)
    async with edge.resources.database.connection() as connection, connection.transaction():
        if not await programs.revoke_program(
            connection, act, client_id, changed_by=caller.client_id
        ):
            raise _no_client()
        await record_act(request, connection, "client.revoke", client_id)
    edge.relay.wake()
    return Response(status_code=204)


@router.post(
    "/auth/clients/{client_id}/credentials",
    status_code=201,
    response_model=NewCredentialAnswer,
    openapi_extra=takes(CredentialBody),
    summary="A secret or an API key of a program; it is shown this once",
)
async def post_credential(
    client_id: ClientIdPath, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """422 `scope_not_allowed` where the program itself has not all of the scopes."""
    body = (await read_json(request)).parse(CredentialBody)
    act = edge.act(request)
    async with edge.resources.database.connection() as connection, connection.transaction():
        made = await programs.add_credential(
            connection,
            act,
            client_id,
            credential_id=edge.resources.clock.random_id(),
            kind=body.kind,
            scopes=body.scopes,
            changed_by=caller.client_id,
        )
        if made is None:
            raise _no_client()
        credential, secret = made
        await record_act(
            request, connection, "credential.create", f"credential:{credential.credential_id}"
        )
    edge.relay.wake()
    shown = NewCredentialAnswer(**_credential_answer(credential).model_dump(), secret=secret.text)
    return Response(shown.model_dump_json(), status_code=201, media_type=_JSON)


@router.get(
    "/auth/clients/{client_id}/credentials",
    response_model=Page[CredentialAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="What a program may show: prefixes, never secrets",
)
async def get_credentials(
    client_id: ClientIdPath, query: Annotated[PageQuery, Query()], edge: TheEdge
) -> Response:
    """The oldest first, revoked ones too."""
    cursors, scope = edge.resources.cursors, f"auth-credentials|{client_id}"
    after = None
    if query.cursor is not None:
        created_at, last_id = cursors.read(query.cursor, scope=scope)
        after = (datetime.fromisoformat(created_at), UUID(last_id))
    async with edge.resources.database.connection() as connection:
        if await programs.read_program(connection, client_id) is None:
            raise _no_client()
        found = await programs.list_credentials(
            connection, client_id, after=after, limit=query.limit + 1
        )
    page = page_of(
        found,
        limit=query.limit,
        document=_credential_answer,
        cursor=lambda each: cursors.write(
            [each.created_at.isoformat(), str(each.credential_id)], scope=scope
        ),
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.delete(
    "/auth/clients/{client_id}/credentials/{credential_id}",
    status_code=204,
    summary="Let a secret or an API key count no more",
)
async def delete_credential(
    client_id: ClientIdPath,
    credential_id: UUID,
    request: Request,
    edge: TheEdge,
    caller: TheCaller,
) -> Response:
    """Tokens that it was exchanged for are believed no more either."""
    act = edge.act(request)
    async with edge.resources.database.connection() as connection, connection.transaction():
        if not await programs.revoke_credential(
            connection, act, client_id, credential_id, changed_by=caller.client_id
        ):
            raise ProblemError(404, "credential_not_found", "the program has no such credential")
        await record_act(request, connection, "credential.revoke", f"credential:{credential_id}")
    edge.relay.wake()
    return Response(status_code=204)


def _no_client() -> ProblemError:
    return ProblemError(404, "client_not_found", "there is no such program")


def _client_answer(program: Program) -> ClientAnswer:
    return ClientAnswer(
        client_id=program.client_id,
        scopes=list(program.scopes),
        created_at=program.created_at,
        revoked_at=program.revoked_at,
    )


def _credential_answer(credential: Credential) -> CredentialAnswer:
    return CredentialAnswer(
        credential_id=credential.credential_id,
        client_id=credential.client_id,
        kind=credential.kind,
        prefix=credential.prefix,
        scopes=list(credential.scopes),
        created_at=credential.created_at,
        last_used_at=credential.last_used_at,
        revoked_at=credential.revoked_at,
    )
