"""Sessions that go on, and sessions that end."""

from uuid import UUID

from domain.client import client_of
from producers.auth.edge import AuthEdge
from producers.auth.events import (
    Act,
    ended_messages,
    message,
    reuse_messages,
    revoked_messages,
)
from producers.auth.models import TokenAnswer
from producers.auth.secret import REFRESH_MARK, Secret, digest_of, is_secret, new_secret
from producers.auth.session_rows import (
    Refreshed,
    TokenRow,
    end_sessions,
    is_own_session,
    read_token,
    rotate_token,
    touch_session,
)
from producers.auth.tokens import token_answer
from runtime.database import Connection
from runtime.http.problem import ProblemError
from runtime.outbox import put
from schemas.session import RevocationReason, SessionRefreshed


class _OverError(Exception):
    """The session is over: what its token was rotated for is rolled back."""


async def refresh(edge: AuthEdge, act: Act, text: str) -> TokenAnswer:
    """New tokens for a refresh token. Of any number that come with the same one, all get the same.

    ProblemError 401 `invalid_refresh_token`. One that was used before REFRESH_GRACE_S, or whose
    successor was used, is a copy in other hands: its session ends.
    """
    if not is_secret(text, REFRESH_MARK):
        raise _invalid_refresh_token()
    digest, successor = digest_of(text), new_secret(REFRESH_MARK)
    try:
        async with edge.resources.database.connection() as connection, connection.transaction():
            going_on = await _rotate(edge, act, connection, digest, successor)
            answer = (going_on, successor.text) if going_on is not None else None
            if answer is None:
                answer = await _answer_again(edge, act, connection, digest)
    except _OverError:
        answer = None
    edge.relay.wake()
    if answer is None:
        raise _invalid_refresh_token()
    session, refresh_token = answer
    return await token_answer(
        edge,
        act,
        client_id=client_of(session.user_id),
        session_id=session.session_id,
        roles=session.roles,
        refresh_token=refresh_token,
        session_expires_at=session.expires_at,
    )


async def sign_out(edge: AuthEdge, act: Act, text: str) -> None:
    """End the session of a refresh token, any of its chain; of an unknown one there is none."""
    if not is_secret(text, REFRESH_MARK):
        return
    async with edge.resources.database.connection() as connection, connection.transaction():
        row = await read_token(connection, digest_of(text))
        if row is None:
            return
        for session in await end_sessions(connection, [row.session_id], act.at):
            await put(connection, ended_messages(act, session))
    edge.relay.wake()


async def revoke_session(edge: AuthEdge, act: Act, session_id: UUID, *, user_id: UUID) -> bool:
    """End a session of one's own; False if one has none of this id."""
    async with edge.resources.database.connection() as connection, connection.transaction():
        if not await is_own_session(connection, session_id, user_id):
            return False
        ended = await end_sessions(connection, [session_id], act.at)
        await put(connection, revoked_messages(act, ended, RevocationReason.ASKED))
    edge.relay.wake()
    return True


async def _rotate(
    edge: AuthEdge, act: Act, connection: Connection, digest: bytes, successor: Secret
) -> Refreshed | None:
    """Put the successor in a token's place; None if it has one already, or is none."""
    rotated = await rotate_token(
        connection,
        token_hash=digest,
        successor_hash=successor.digest,
        successor_sealed=edge.resources.vault.seal(successor.text, _purpose(digest)),
        at=act.at,
    )
    if rotated is None:
        return None
    session_id, generation = rotated
    session = await touch_session(connection, session_id, act.at)
    if session is None:
        raise _OverError
    event = SessionRefreshed(
        request_id=act.act_id,
        requested_at=act.at,
        user_id=session.user_id,
        session_id=session_id,
        generation=generation,
    )
    await put(connection, [message(act, event)])
    return session


async def _answer_again(
    edge: AuthEdge, act: Act, connection: Connection, digest: bytes
) -> tuple[Refreshed, str] | None:
    """The answer that a used token has had, if it may have been lost; else its session ends."""
    row = await read_token(connection, digest)
    if row is None or row.ended_at is not None or row.expires_at <= act.at:
        return None
    if row.is_in_grace(act.at) and row.successor_sealed is not None:
        session = await touch_session(connection, row.session_id, act.at)
        successor = edge.resources.vault.open(row.successor_sealed, _purpose(digest))
        return None if session is None else (session, successor)
    await _end_copied(act, connection, row)
    return None


async def _end_copied(act: Act, connection: Connection, row: TokenRow) -> None:
    for session in await end_sessions(connection, [row.session_id], act.at):
        await put(connection, reuse_messages(act, session, generation=row.generation))


def _purpose(digest: bytes) -> str:
    return f"auth.successor:{digest.hex()}"


def _invalid_refresh_token() -> ProblemError:
    return ProblemError(
        401, "invalid_refresh_token", "this refresh token does not hold; sign in again"
    )
