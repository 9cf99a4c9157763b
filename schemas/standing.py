"""The standing.* topic: who may no longer be believed, told to every edge."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.event import RequestEvent

Principal = Annotated[str, Field(pattern=r"^(session|user|client):[A-Za-z0-9._-]{1,64}$")]
"""`session:<id>`, `user:<uuid>` or `client:<id>`; the last two are client ids."""


class Standing(StrEnum):
    """Whether a token that names the principal is believed."""

    ACTIVE = "active"
    """As if nothing had ever been said of it."""
    SUSPENDED = "suspended"
    """Not for now: 403, and nothing is lost."""
    REVOKED = "revoked"
    """Never again: 401, as if the token were none."""


class StandingChanged(RequestEvent):
    """A session was ended, or a person or program suspended, revoked or let back in.

    `request_id` and `requested_at` are of the act that changed it.

    Source: producers.auth (sessions, programs, operators), producers.users (staff), by an outbox.
    Key:    principal; the topic is compacted, so each edge reads what stands when it starts.
    Units:  none.
    Errors: breaks this schema -> passed over and counted; an edge believes what came before.
    """

    TOPIC: ClassVar[str] = "standing.changed.v1"

    principal: Principal
    standing: Standing
    expires_at: AwareDatetime | None = None
    """When every token that names it has expired, so that it may be forgotten; None: by no time of
    its own, and the topic keeps it far longer than any token lives."""

    @property
    def key(self) -> str:
        """The principal: the last word about each is kept."""
        return self.principal


def session_principal(session_id: UUID | str) -> str:
    """The principal of a session."""
    return f"session:{session_id}"
