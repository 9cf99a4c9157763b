"""What somebody who is signed in does about their own sign-in.

-> password.changed | totp.enrolled | totp.removed | session.revoked
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Defect
from producers.auth.devices import propose_device, remove_device, verify_device
from producers.auth.edge import TheEdge, address_of
from producers.auth.models import (
    PasswordBody,
    SessionAnswer,
    TotpAnswer,
    TotpBody,
    TotpRemoveBody,
    TotpVerifyBody,
)
from producers.auth.session_rows import Session, list_sessions
from producers.auth.sessions import revoke_session
from producers.auth.signing_in import change_password
from runtime.http.body import read_json
from runtime.http.caller import Caller, TheCaller
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, page_of, refuse_repeats
from runtime.http.problem import ProblemError

router = APIRouter(tags=["self"])

_JSON: Final = "application/json"


@router.post(
    "/auth/password",
    status_code=204,
    openapi_extra=takes(PasswordBody),
    summary="Another password; all other sessions end",
)
async def post_password(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """401 if the current password is wrong."""
    body = (await read_json(request)).parse(PasswordBody)
    user_id, session_id = _who(caller)
    await change_password(
        edge,
        edge.act(request),
        body,
        user_id=user_id,
        session_id=session_id,
        address=address_of(request),
    )
    return Response(status_code=204)


@router.post(
    "/auth/totp",
    response_model=TotpAnswer,
    openapi_extra=takes(TotpBody),
    summary="Enrol a device that shows codes; it counts once a code of it was verified",
)
async def post_totp(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """409 if one is enrolled already. The secret is shown this once."""
    body = (await read_json(request)).parse(TotpBody)
    user_id, _ = _who(caller)
    answer = await propose_device(
        edge,
        edge.act(request),
        user_id=user_id,
        password=body.password,
        address=address_of(request),
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/auth/totp/verify",
    status_code=204,
    openapi_extra=takes(TotpVerifyBody),
    summary="From now on codes of this device are asked for",
)
async def post_totp_verify(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """401 if the code is wrong, 409 if no device waits to be verified."""
    body = (await read_json(request)).parse(TotpVerifyBody)
    user_id, session_id = _who(caller)
    await verify_device(
        edge,
        edge.act(request),
        user_id=user_id,
        session_id=session_id,
        code=body.totp_code,
        address=address_of(request),
    )
    return Response(status_code=204)


@router.post(
    "/auth/totp/remove",
    status_code=204,
    openapi_extra=takes(TotpRemoveBody),
    summary="Ask for codes no more",
)
async def post_totp_remove(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """401 if the password or the code is wrong, 409 if no device is enrolled."""
    body = (await read_json(request)).parse(TotpRemoveBody)
    user_id, session_id = _who(caller)
    await remove_device(
        edge,
        edge.act(request),
        user_id=user_id,
        session_id=session_id,
        password=body.password,
        code=body.totp_code,
        address=address_of(request),
    )
    return Response(status_code=204)


@router.get(
    "/auth/sessions",
    response_model=Page[SessionAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="Your living sessions, the newest first",
)
async def get_sessions(
    query: Annotated[PageQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """A session ends by itself 30 days after it began."""
    user_id, session_id = _who(caller)
    cursors, scope = edge.resources.cursors, f"sessions|{user_id}"
    before = None
    if query.cursor is not None:
        started_at, last_id = cursors.read(query.cursor, scope=scope)
        before = (datetime.fromisoformat(started_at), UUID(last_id))
    async with edge.resources.database.connection() as connection:
        found = await list_sessions(
            connection,
            user_id,
            at=edge.resources.clock.now(),
            before=before,
            limit=query.limit + 1,
        )
    page = page_of(
        found,
        limit=query.limit,
        document=lambda session: _answer_of(session, session_id),
        cursor=lambda session: cursors.write(
            [session.started_at.isoformat(), str(session.session_id)], scope=scope
        ),
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.delete("/auth/sessions/{session_id}", status_code=204, summary="End a session of yours")
async def delete_session(
    session_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """404 if you have none of this id; 204 also if it was over."""
    user_id, _ = _who(caller)
    if not await revoke_session(edge, edge.act(request), session_id, user_id=user_id):
        raise ProblemError(404, "session_not_found", "you have no such session")
    return Response(status_code=204)


def _who(caller: Caller) -> tuple[UUID, UUID]:
    if caller.person_id is None or caller.session_id is None:
        raise Defect("a route about one's own sign-in lets in who has none")
    return caller.person_id, caller.session_id


def _answer_of(session: Session, this_id: UUID) -> SessionAnswer:
    return SessionAnswer(
        session_id=session.session_id,
        with_totp=session.with_totp,
        started_at=session.started_at,
        refreshed_at=session.refreshed_at,
        expires_at=session.expires_at,
        is_this=session.session_id == this_id,
    )
