"""The payer.* topic: which programs may pay from whose handles."""

from typing import Annotated, ClassVar

from pydantic import Field

from schemas.event import ClientId, Handle, RequestEvent

ProgramId = Annotated[str, Field(pattern=r"^client:[a-z][a-z0-9-]{0,47}$")]


class PayerChanged(RequestEvent):
    """The holder of a handle lets a program pay from it, or does so no more.

    Source: producers.handles (PUT and DELETE /handles/{handle}/payers/{program}), by the outbox.
    Key:    handle.
    Units:  none.
    Errors: breaks this schema -> passed over; the table that was written with it is asked.
    """

    TOPIC: ClassVar[str] = "payer.changed.v1"

    handle: Handle
    owner_client_id: ClientId
    program_id: ProgramId
    is_allowed: bool

    @property
    def key(self) -> str:
        """The handle: what was said of it is in order."""
        return self.handle
