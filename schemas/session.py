"""The session.* topics: who signed in, how long it lasted, and who was turned away."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.user import UserEvent

Generation = Annotated[int, Field(strict=True, ge=1)]
"""Counts the refresh tokens of a session, from 1."""


class SessionEvent(UserEvent):
    """What all events of one session carry."""

    session_id: UUID


class SessionStarted(SessionEvent):
    """Somebody signed in.

    Source: producers.auth (POST /auth/login).
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "session.started.v1"

    with_totp: bool
    expires_at: AwareDatetime


class SessionRefreshed(SessionEvent):
    """A refresh token was used, and another took its place.

    Source: producers.auth (POST /auth/refresh), once for each token.
    Key:    user_id.
    Units:  generation is the new token's.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "session.refreshed.v1"

    generation: Generation


class SessionEnded(SessionEvent):
    """Somebody signed out.

    Source: producers.auth (POST /auth/logout).
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "session.ended.v1"


class RevocationReason(StrEnum):
    """Why a session was ended by something else than its own sign-out."""

    ASKED = "asked"
    """By the person, from another session."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - a reason
    ROLES_CHANGED = "roles_changed"
    SUSPENDED = "suspended"


class SessionRevoked(SessionEvent):
    """A session was ended; its tokens are believed no more.

    Source: producers.auth, and producers.users where staff suspends its owner.
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "session.revoked.v1"

    reason: RevocationReason


class SessionReuseDetected(SessionEvent):
    """A refresh token came that had been used before: somebody has a copy.

    The session is revoked with it, by an event of its own.

    Source: producers.auth (POST /auth/refresh).
    Key:    user_id.
    Units:  generation is that of the token which came again.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "session.reuse-detected.v1"

    generation: Generation


class SessionRefusalCode(StrEnum):
    """Why somebody did not get in."""

    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason
    WRONG_CODE = "wrong_code"
    SUSPENDED = "suspended"


class SessionRefused(UserEvent):
    """Somebody tried to sign in as this person, and was turned away.

    There is none for an address that nobody registered, nor while a person is blocked.

    Source: producers.auth (POST /auth/login, and wherever a password or code is asked for again).
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "session.refused.v1"

    code: SessionRefusalCode
