"""The tables `auth_sessions` and `auth_refresh_tokens`: one chain of tokens for each session.

A token is rotated by one conditional UPDATE: of any number that come with the same one at once,
one makes the successor, and the others see that it was made.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from producers.auth import limits
from producers.auth.events import EndedSession
from runtime.database import Connection

_ROTATE: Final = """
    WITH rotated AS (
        UPDATE auth_refresh_tokens SET rotated_at = $2, successor_sealed = $4
        WHERE token_hash = $1 AND rotated_at IS NULL
        RETURNING session_id, generation
    )
    INSERT INTO auth_refresh_tokens (token_hash, session_id, generation)
    SELECT $3, session_id, generation + 1 FROM rotated
    RETURNING session_id, generation
"""

# Locks the session: it cannot be ended between this and the end of the transaction.
_TOUCH: Final = """
    UPDATE auth_sessions SET refreshed_at = $2
    FROM auth_users
    WHERE session_id = $1 AND ended_at IS NULL AND expires_at > $2
      AND auth_users.user_id = auth_sessions.user_id AND suspended_at IS NULL
    RETURNING auth_sessions.user_id, roles, expires_at
"""

_READ: Final = """
    SELECT session_id, user_id, generation, rotated_at, successor_sealed, ended_at, expires_at,
        (SELECT next.rotated_at FROM auth_refresh_tokens AS next
         WHERE next.session_id = token.session_id AND next.generation = token.generation + 1)
        AS successor_rotated_at
    FROM auth_refresh_tokens AS token JOIN auth_sessions USING (session_id)
    WHERE token_hash = $1
"""

_END: Final = """
    UPDATE auth_sessions SET ended_at = $2
    WHERE session_id = ANY($1) AND ended_at IS NULL
    RETURNING session_id, user_id
"""

_LIVING: Final = """
    SELECT session_id FROM auth_sessions
    WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND session_id IS DISTINCT FROM $3
    ORDER BY started_at DESC, session_id DESC
"""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its owner sees it."""

    session_id: UUID
    with_totp: bool
    started_at: datetime
    refreshed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A session that goes on."""

    session_id: UUID
    user_id: UUID
    roles: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A refresh token that was issued once, and what became of it."""

    session_id: UUID
    user_id: UUID
    generation: int
    rotated_at: datetime | None
    successor_sealed: str | None
    successor_rotated_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime

    def is_in_grace(self, now: datetime) -> bool:
        """Whether its answer may have been lost: it was used a moment ago, its successor never."""
        return (
            self.rotated_at is not None
            and self.successor_sealed is not None
            and self.successor_rotated_at is None
            and now - self.rotated_at <= timedelta(seconds=limits.REFRESH_GRACE_S)
        )


async def add_session(
    connection: Connection, session: Session, *, user_id: UUID, token_hash: bytes
) -> list[EndedSession]:
    """A new session with its first token; those that were ended for being too many."""
    living = await _living(connection, user_id, session.started_at)
    await connection.execute(
        "INSERT INTO auth_sessions "
        "(session_id, user_id, with_totp, started_at, refreshed_at, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        session.session_id,
        user_id,
        session.with_totp,
        session.started_at,
        session.refreshed_at,
        session.expires_at,
    )
    await connection.execute(
        "INSERT INTO auth_refresh_tokens (token_hash, session_id, generation) VALUES ($1, $2, 1)",
        token_hash,
        session.session_id,
    )
    too_many = living[limits.SESSIONS_MAX - 1 :]
    return await end_sessions(connection, too_many, session.started_at)


async def rotate_token(
    connection: Connection,
    *,
    token_hash: bytes,
    successor_hash: bytes,
    successor_sealed: str,
    at: datetime,
) -> tuple[UUID, int] | None:
    """The session and the successor's generation; None if the token is none, or was used."""
    row = await connection.fetchrow(_ROTATE, token_hash, at, successor_hash, successor_sealed)
    return None if row is None else (row["session_id"], row["generation"])


async def touch_session(connection: Connection, session_id: UUID, at: datetime) -> Refreshed | None:
    """The session, locked; None if it is over, or its owner may not sign in."""
    row = await connection.fetchrow(_TOUCH, session_id, at)
    if row is None:
        return None
    return Refreshed(session_id, row["user_id"], tuple(row["roles"]), row["expires_at"])


async def read_token(connection: Connection, token_hash: bytes) -> TokenRow | None:
    """A token by its hash."""
    row = await connection.fetchrow(_READ, token_hash)
    return None if row is None else TokenRow(**row)


async def end_sessions(
    connection: Connection, session_ids: list[UUID], at: datetime
) -> list[EndedSession]:
    """Those of them that this ended."""
    if not session_ids:
        return []
    return [EndedSession(**row) for row in await connection.fetch(_END, session_ids, at)]


async def end_sessions_of(
    connection: Connection, user_id: UUID, at: datetime, *, but: UUID | None = None
) -> list[EndedSession]:
    """End all sessions of somebody, but perhaps one."""
    return await end_sessions(connection, await _living(connection, user_id, at, but=but), at)


async def is_own_session(connection: Connection, session_id: UUID, user_id: UUID) -> bool:
    """Whether somebody has, or had, this session."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM auth_sessions WHERE session_id = $1 AND user_id = $2)",
        session_id,
        user_id,
    )
    return found


async def list_sessions(
    connection: Connection,
    user_id: UUID,
    *,
    at: datetime,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Session]:
    """Somebody's living sessions, the newest first."""
    started_at, session_id = before or (None, None)
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT session_id, with_totp, started_at, refreshed_at, expires_at FROM auth_sessions "
        "WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 "
        "AND ($3::timestamptz IS NULL OR (started_at, session_id) < ($3, $4)) "
        "ORDER BY started_at DESC, session_id DESC LIMIT $5",
        user_id,
        at,
        started_at,
        session_id,
        limit,
    )
    return [Session(**row) for row in rows]


async def _living(
    connection: Connection, user_id: UUID, at: datetime, *, but: UUID | None = None
) -> list[UUID]:
    rows = await connection.fetch(_LIVING, user_id, at, but)
    return [row["session_id"] for row in rows]
