"""A suspension is one row's, whoever orders it: staff by the users' edge, an operator by command.

The row is the one that each sign-in and each refresh looks at. In the same transaction the person's
sessions end, and every edge is told to believe the tokens that are left no more.

-> standing.changed | session.revoked
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol
from uuid import UUID, uuid5

from domain.client import client_of
from runtime.database import Connection
from runtime.http.access_token import ACCESS_TOKEN_S_MAX
from runtime.outbox import put
from schemas.session import RevocationReason, SessionRevoked
from schemas.standing import Standing, StandingChanged, session_principal
from schemas.wire import Message, first_message

SOURCE: Final = "titan/runtime/suspending"

# Of somebody who was forgotten the row is left, without the address: nobody signs in by it.
_READ: Final = """
    SELECT roles, suspended_at IS NOT NULL AS is_suspended FROM auth_users
    WHERE user_id = $1 AND email_index IS NOT NULL
"""

_WRITE: Final = """
    UPDATE auth_users SET suspended_at = $2
    WHERE user_id = $1 AND email_index IS NOT NULL
      AND (suspended_at IS NULL) <> ($2::timestamptz IS NULL)
"""

_END_SESSIONS: Final = """
    UPDATE auth_sessions SET ended_at = $2
    WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
    RETURNING session_id
"""


class Act(Protocol):
    """What somebody does, as each room has it."""

    @property
    def act_id(self) -> UUID:
        """Its id: what it causes has ids that derive from it."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def traceparent(self) -> str | None:
        """The trace it belongs to."""


class SignIn(NamedTuple):
    """What staff has to know of somebody who can sign in, before it suspends them."""

    roles: tuple[str, ...]
    is_suspended: bool


async def read_sign_in(
    connection: Connection, person_id: UUID, *, lock: bool = False
) -> SignIn | None:
    """None if nobody of this id can sign in; `lock` keeps it as it is until the unit ends."""
    row = await connection.fetchrow(_READ + (" FOR UPDATE" if lock else ""), person_id)
    return None if row is None else SignIn(tuple(row["roles"]), row["is_suspended"])


async def suspend(connection: Connection, act: Act, person_id: UUID) -> bool:
    """Let somebody in nowhere until they are reinstated; False if nothing changed."""
    # First the row, then the sessions: who signs in meanwhile waits for the row, and then sees it.
    if not await _write(connection, person_id, act.at):
        return False
    ended = [row["session_id"] for row in await connection.fetch(_END_SESSIONS, person_id, act.at)]
    told = _standing(act, client_of(person_id), Standing.SUSPENDED)
    await put(connection, [told, *_revoked(act, person_id, ended)])
    return True


async def reinstate(connection: Connection, act: Act, person_id: UUID) -> bool:
    """Let somebody sign in again; False if nothing changed. The sessions that ended stay ended."""
    if not await _write(connection, person_id, None):
        return False
    await put(connection, [_standing(act, client_of(person_id), Standing.ACTIVE)])
    return True


async def _write(connection: Connection, person_id: UUID, at: datetime | None) -> bool:
    return str(await connection.execute(_WRITE, person_id, at)) == "UPDATE 1"


def _revoked(act: Act, person_id: UUID, session_ids: Sequence[UUID]) -> list[Message]:
    """What is told of each session: its tokens hold no more, also after a quick reinstatement."""
    last_token_ends_at = act.at + timedelta(seconds=ACCESS_TOKEN_S_MAX)
    told: list[Message] = []
    for session_id in session_ids:
        event = SessionRevoked(
            request_id=act.act_id,
            requested_at=act.at,
            user_id=person_id,
            session_id=session_id,
            reason=RevocationReason.SUSPENDED,
        )
        principal = session_principal(session_id)
        told += [
            _message(act, event, principal),
            _standing(act, principal, Standing.REVOKED, until=last_token_ends_at),
        ]
    return told


def _standing(
    act: Act, principal: str, standing: Standing, *, until: datetime | None = None
) -> Message:
    event = StandingChanged(
        request_id=act.act_id,
        requested_at=act.at,
        principal=principal,
        standing=standing,
        expires_at=until,
    )
    return _message(act, event, principal)


def _message(act: Act, event: SessionRevoked | StandingChanged, about: str) -> Message:
    # One act may end several sessions: what an event is about is part of its id.
    event_id = uuid5(act.act_id, f"{event.TOPIC} {about}")
    return first_message(
        event, event_id=event_id, source=SOURCE, now=act.at, traceparent=act.traceparent
    )
