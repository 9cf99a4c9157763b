"""The user.*, password.* and totp.* topics: people who can sign in, and how they do.

Nothing here says who somebody is: ids, times, and texts that only the vault opens.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.event import ClientId, RequestEvent, Sealed


class UserEvent(RequestEvent):
    """What all events about one person carry. `request_id` and `requested_at` are of the act."""

    user_id: UUID

    @property
    def key(self) -> str:
        """The person: all that happens to one happens in order."""
        return str(self.user_id)


class UserRegistered(UserEvent):
    """Somebody may sign in from now on.

    The sealed texts open as columns of the row `user_id` of the table auth_users.

    Source: producers.auth (POST /auth/register, `titan auth make-admin`).
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "user.registered.v1"

    email_sealed: Sealed
    display_name_sealed: Sealed


class UserRolesChanged(UserEvent):
    """What somebody may do as staff is this from now on; without roles they are no staff.

    Source: producers.auth (`titan auth make-admin`, `titan auth revoke-roles`).
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "user.roles-changed.v1"

    roles: Annotated[list[str], Field(max_length=16)]
    changed_by: ClientId


class UserBlocked(UserEvent):
    """Too many wrong passwords or codes in a row: until then no sign-in is looked at.

    Source: producers.auth.
    Key:    user_id.
    Units:  failures counts the wrong ones since the last right one.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "user.blocked.v1"

    failures: Annotated[int, Field(ge=1)]
    blocked_until: AwareDatetime


class PasswordChanged(UserEvent):
    """Somebody has another password; all their other sessions were revoked.

    Source: producers.auth (POST /auth/password).
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "password.changed.v1"

    session_id: UUID


class TotpEnrolled(UserEvent):
    """From now on somebody signs in with a code of their device as well.

    Source: producers.auth (POST /auth/totp/verify).
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "totp.enrolled.v1"

    session_id: UUID


class TotpRemoved(UserEvent):
    """Somebody's password is enough again.

    Source: producers.auth (POST /auth/totp/remove).
    Key:    user_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "totp.removed.v1"

    session_id: UUID
