"""What every event shares: the model's base, its envelope, and the field types of the wire."""

from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.handle import HANDLE_PATTERN
from domain.money import AMOUNT_MINOR_MAX

AmountMinor = Annotated[int, Field(strict=True, ge=1, le=AMOUNT_MINOR_MAX)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Handle = Annotated[str, Field(pattern=HANDLE_PATTERN)]
Version = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Sealed = Annotated[str, Field(pattern=r"^[A-Za-z0-9_=-]{1,4096}$")]
"""Text that only the vault can read: URL-safe base64 of an AES-256-GCM envelope."""


class Event(BaseModel):
    """A fact on a topic. Frozen; unknown fields are ignored, so that old consumers live on."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    TOPIC: ClassVar[str]
    """The topic's name in topics.yaml, which is also the event's type and version."""

    @property
    def key(self) -> str:
        """The record's key: events with the same key keep their order."""
        raise TypeError("each event says its key")

    @property
    def subject(self) -> UUID:
        """The id of what the event is about (a payment, a request, an account)."""
        raise TypeError("each event says its subject")

    @property
    def started_at(self) -> datetime:
        """When the first event of this chain was accepted; its date picks the inbox partition."""
        raise TypeError("each event says when its chain started")


class PaymentEvent(Event):
    """What all events of one payment carry."""

    payment_id: UUID
    accepted_at: AwareDatetime

    @property
    def subject(self) -> UUID:
        """The payment."""
        return self.payment_id

    @property
    def started_at(self) -> datetime:
        """When the edge accepted the payment."""
        return self.accepted_at


class RequestEvent(Event):
    """What all events of one request about a handle or an account carry."""

    request_id: UUID
    requested_at: AwareDatetime

    @property
    def subject(self) -> UUID:
        """The request."""
        return self.request_id

    @property
    def started_at(self) -> datetime:
        """When the edge accepted the request."""
        return self.requested_at


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Envelope(NamedTuple):
    """The CloudEvents 1.0 attributes of an event and Titan's own: they travel as headers."""

    event_id: UUID
    idempotency_id: UUID
    causation_id: UUID | None
    source: str
    occurred_at: datetime
    traceparent: str | None = None


class Position(NamedTuple):
    """Where a record lies in the log."""

    topic: str
    partition: int
    offset: int


class Delivered(NamedTuple, Generic[E_co]):
    """An event as it came off a topic."""

    event: E_co
    envelope: Envelope
    position: Position

    @property
    def started_on(self) -> date:
        """The UTC date that picks the inbox partition."""
        return self.event.started_at.astimezone(UTC).date()
