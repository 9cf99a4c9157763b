"""Access tokens for a session or a program."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from producers.auth import limits
from producers.auth.edge import AuthEdge
from producers.auth.events import Act
from producers.auth.models import TokenAnswer
from runtime.http.access_token import AccessClaims, sign


async def access_token(
    edge: AuthEdge,
    act: Act,
    *,
    client_id: str,
    session_id: UUID,
    scopes: Iterable[str] = (),
    roles: Iterable[str] = (),
) -> str:
    """A signed token of ACCESS_TOKEN_S; Unavailable while there is no key to sign with."""
    issued_at = act.at.replace(microsecond=0)
    claims = AccessClaims(
        client_id=client_id,
        session_id=session_id,
        token_id=edge.resources.clock.random_id(),
        issued_at=issued_at,
        expires_at=issued_at + timedelta(seconds=limits.ACCESS_TOKEN_S),
        scopes=frozenset(scopes),
        roles=frozenset(roles),
    )
    key = await edge.keys.signing_key()
    return sign(claims, issuer=edge.resources.settings.token_issuer, key=key)


async def token_answer(
    edge: AuthEdge,
    act: Act,
    *,
    client_id: str,
    session_id: UUID,
    roles: Iterable[str],
    refresh_token: str,
    session_expires_at: datetime,
) -> TokenAnswer:
    """What somebody gets who signed in or refreshed."""
    return TokenAnswer(
        access_token=await access_token(
            edge, act, client_id=client_id, session_id=session_id, roles=roles
        ),
        token_type="Bearer",  # noqa: S106 - a type
        expires_in=limits.ACCESS_TOKEN_S,
        refresh_token=refresh_token,
        session_id=session_id,
        session_expires_at=session_expires_at,
    )
