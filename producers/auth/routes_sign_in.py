"""Registering, signing in and out, and the tokens of both.

-> user.registered | user.blocked | session.started | session.refreshed | session.ended |
   session.revoked | session.reuse-detected | session.refused | credentials.refused
"""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.client import client_of
from producers.auth.edge import TheEdge, address_of
from producers.auth.models import (
    ClientTokenAnswer,
    KeySetAnswer,
    LoginBody,
    RefreshBody,
    RegisterBody,
    RegisteredAnswer,
    TokenAnswer,
)
from producers.auth.oauth import exchange
from producers.auth.sessions import refresh, sign_out
from producers.auth.signing_in import register, sign_in
from runtime.http.body import read_form, read_json
from runtime.http.openapi import takes

router = APIRouter(tags=["sign-in"])

_JSON: Final = "application/json"
_KEYS_CACHED: Final = "public, max-age=60"

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "const": "client_credentials"},
                        "scope": {"type": "string"},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string"},
                    },
                }
            }
        },
    }
}


@router.post(
    "/auth/register",
    status_code=201,
    response_model=RegisteredAnswer,
    openapi_extra=takes(RegisterBody),
    summary="Become somebody who can sign in",
)
async def post_register(request: Request, edge: TheEdge) -> Response:
    """409 if somebody signs in with this address already; 429 after many from one address."""
    body = (await read_json(request)).parse(RegisterBody)
    user_id = await register(edge, edge.act(request), body, address=address_of(request))
    answer = RegisteredAnswer(user_id=user_id, client_id=client_of(user_id))
    return Response(answer.model_dump_json(), status_code=201, media_type=_JSON)


@router.post(
    "/auth/login",
    response_model=TokenAnswer,
    openapi_extra=takes(LoginBody),
    summary="Sign in",
)
async def post_login(request: Request, edge: TheEdge) -> Response:
    """401 `invalid_credentials`, whichever is wrong; `totp_required` where a code is missing."""
    body = (await read_json(request)).parse(LoginBody)
    answer = await sign_in(edge, edge.act(request), body, address=address_of(request))
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/auth/refresh",
    response_model=TokenAnswer,
    openapi_extra=takes(RefreshBody),
    summary="Go on: new tokens for the refresh token of the last answer",
)
async def post_refresh(request: Request, edge: TheEdge) -> Response:
    """The same token again within 30 s has the same successor; later its session ends."""
    body = (await read_json(request)).parse(RefreshBody)
    answer = await refresh(edge, edge.act(request), body.refresh_token)
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/auth/logout",
    status_code=204,
    openapi_extra=takes(RefreshBody),
    summary="Sign out: end the session of this refresh token",
)
async def post_logout(request: Request, edge: TheEdge) -> Response:
    """204 also where there is no such session any more."""
    body = (await read_json(request)).parse(RefreshBody)
    await sign_out(edge, edge.act(request), body.refresh_token)
    return Response(status_code=204)


@router.post(
    "/oauth/token",
    response_model=ClientTokenAnswer,
    openapi_extra=_FORM,
    summary="A program's token, for its secret (RFC 6749, client credentials)",
)
async def post_token(request: Request, edge: TheEdge) -> Response:
    """The client id and secret come as Basic authentication, or in the form."""
    form = await read_form(request)
    answer = await exchange(edge, edge.act(request), request, form)
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.get(
    "/.well-known/jwks.json",
    response_model=KeySetAnswer,
    summary="The keys that access tokens are signed with",
)
async def get_keys(edge: TheEdge) -> Response:
    """A JWK Set (RFC 7517); a new key is in it minutes before it signs."""
    answer = KeySetAnswer(keys=await edge.keys.published())
    headers = {"Cache-Control": _KEYS_CACHED}
    return Response(answer.model_dump_json(), headers=headers, media_type=_JSON)
