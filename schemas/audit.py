"""The staff.* topic: what staff did, one event an act."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from schemas.event import ClientId, RequestEvent, Sealed

Action = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$")]
"""What kind of thing was done to what kind of object, such as `account.freeze`."""

ObjectId = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*:[A-Za-z0-9._-]{1,64}$")]
"""What it was done to: its kind and its id, never anything personal."""


class StaffActed(RequestEvent):
    """Somebody of the staff, or an operator by a command, did something or was shown a secret.

    `request_id` is the act's own; the row of the same id in `audit_acts` was written in the one
    transaction with this event and with what the act did.

    Source: producers.auth and producers.users, where staff works (runtime.http.audit), and the
            commands about keys (titan.vault_place), by the outbox.
    Key:    about, so that all that was done to one object is in order.
    Units:  none.
    Errors: breaks this schema -> passed over; nothing is decided by it.
    """

    TOPIC: ClassVar[str] = "staff.acted.v1"

    actor: ClientId
    session_id: UUID | None = None
    action: Action
    about: ObjectId
    reason_sealed: Sealed | None = None
    http_request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]

    @property
    def key(self) -> str:
        """What it was done to."""
        return self.about
