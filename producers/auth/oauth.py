"""POST /oauth/token: client credentials (RFC 6749, 4.4), for programs.

The codes of its problems are the `error` codes of that RFC.

-> credentials.refused
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_plus

from starlette.requests import Request

from producers.auth import limits, programs
from producers.auth.edge import AuthEdge, address_of
from producers.auth.events import Act
from producers.auth.models import ClientTokenAnswer
from producers.auth.secret import CLIENT_SECRET_MARK, is_secret
from producers.auth.tokens import access_token
from runtime.http.problem import ProblemError
from runtime.http.scope import header_values

_BASIC = re.compile(rb"basic +([A-Za-z0-9+/]+={0,2})\Z", re.IGNORECASE)
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*\Z")
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="titan"'}


async def exchange(
    edge: AuthEdge, act: Act, request: Request, form: Mapping[str, str]
) -> ClientTokenAnswer:
    """A token for a program that shows its secret.

    ProblemError 400 `invalid_request`, `unsupported_grant_type` or `invalid_scope`; 401
    `invalid_client`, in the same words whatever is wrong; 429.
    """
    if "grant_type" not in form:
        raise _refused(400, "invalid_request", "send grant_type")
    if form["grant_type"] != "client_credentials":
        raise _refused(400, "unsupported_grant_type", "grant_type is client_credentials")
    client_id, secret = _shown(request, form)
    keys = [edge.meters.of_address(address_of(request))]
    async with edge.door.before(keys, act.at):
        await edge.door.charge(keys, act.at)
        database = edge.resources.database
        async with database.connection() as connection, connection.transaction():
            used = None
            if programs.CLIENT_ID.match(client_id):
                if is_secret(secret, CLIENT_SECRET_MARK):
                    used = await programs.use_secret(connection, client_id, secret, act.at)
                if used is None:
                    await programs.tell_refused(connection, act, client_id)
            if used is not None:
                await edge.meters.refund(connection, keys, act.at)
    if used is None:
        raise _refused(401, "invalid_client", "the client id or the secret is wrong", _CHALLENGE)
    credential_id, allowed = used
    scopes = _scopes(form.get("scope"), allowed)
    return ClientTokenAnswer(
        access_token=await access_token(
            edge, act, client_id=client_id, session_id=credential_id, scopes=scopes
        ),
        token_type="Bearer",  # noqa: S106 - a type
        expires_in=limits.ACCESS_TOKEN_S,
        scope=" ".join(sorted(scopes)),
    )


def _shown(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """What the program says it is and shows: in the header or in the form, not in both."""
    values = header_values(request.scope, b"authorization")
    in_form = "client_id" in form or "client_secret" in form
    if not values:
        if "client_id" not in form or "client_secret" not in form:
            raise _refused(400, "invalid_request", "send client_id and client_secret")
        return form["client_id"], form["client_secret"]
    if in_form or len(values) > 1:
        raise _refused(400, "invalid_request", "show client_id and client_secret in one way")
    basic = _BASIC.match(values[0])
    try:
        text = base64.b64decode(basic[1], validate=True).decode() if basic else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    # The secret has no colon; a client id has one, which a library may not have quoted.
    client_id, colon, secret = text.rpartition(":")
    if not colon:
        raise _refused(401, "invalid_client", "the client id or the secret is wrong", _CHALLENGE)
    return unquote_plus(client_id), unquote_plus(secret)


def _scopes(asked: str | None, allowed: frozenset[str]) -> frozenset[str]:
    if asked is None:
        return allowed
    scopes = frozenset(asked.split(" ")) if _SCOPE.match(asked) else frozenset()
    if not scopes or not scopes <= allowed:
        raise _refused(400, "invalid_scope", "ask for scopes that this credential has")
    return scopes


def _refused(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> ProblemError:
    return ProblemError(status, code, detail, headers=headers)
