"""The bodies that webhooks read and write, as their API describes them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from domain.outside import URL_CHARACTERS_MAX
from domain.webhook import FILTERS_MAX, DeliveryState, DisabledReason, is_filter
from producers.webhooks import limits
from runtime.http.body import RequestModel
from runtime.standard_webhooks import Scheme


def _a_filter(text: str) -> str:
    if not is_filter(text):
        raise ValueError("an event's type, `begin.*`, or `*`")
    return text


def _no_controls(text: str) -> str:
    if not text.isprintable():
        raise ValueError("printable text only")
    return text


Filters = Annotated[
    list[Annotated[str, Field(max_length=64), AfterValidator(_a_filter)]],
    Field(max_length=FILTERS_MAX, description="types, or begins of them: `payment.*`; none: all"),
]
Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=URL_CHARACTERS_MAX,
        description="https on port 443 or 8443 of the public Internet; in the demo profile, and "
        "there alone, also http and any port of 127.0.0.1, [::1] or localhost",
    ),
]
Description = Annotated[str, Field(max_length=200), AfterValidator(_no_controls)]
RatePerS = Annotated[
    int, Field(ge=1, le=limits.RATE_PER_S_MAX, description="most deliveries a second")
]
Offset = Annotated[int, Field(ge=0, le=2**62)]


class EndpointBody(RequestModel):
    """Where to tell what."""

    url: Url
    event_types: Filters = Field(default_factory=list)
    description: Description | None = None
    rate_per_s: RatePerS | None = None
    is_ordered: Annotated[
        bool, Field(description="an event of a payment waits for the one before it")
    ] = False
    scheme: Annotated[
        Literal["v1", "v1a"],
        Field(description="v1: HMAC-SHA-256 with a shared secret; v1a: ed25519 with a public key"),
    ] = "v1"


class EndpointChangeBody(RequestModel):
    """What shall be otherwise: a field that is absent stays."""

    url: Url | None = None
    event_types: Filters | None = None
    description: Description | None = None
    rate_per_s: RatePerS | None = None
    is_ordered: bool | None = None


class RotateBody(RequestModel):
    """For how long the old secret signs beside the new one; 0 ends it at once."""

    overlap_s: Annotated[int, Field(ge=0, le=limits.OVERLAP_S_MAX)] = limits.OVERLAP_S_DEFAULT


class PositionBody(RequestModel):
    """A place in the log."""

    topic: Annotated[str, Field(max_length=100)]
    partition: Annotated[int, Field(ge=0, le=1_000)]
    offset: Offset


class ReplayBody(RequestModel):
    """What shall be sent again: all since a time or a place in the log, as far as it is named."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    event_types: Filters = Field(default_factory=list)
    subject: Annotated[UUID | None, Field(description="a payment, or a request")] = None
    position: PositionBody | None = None


class RecoverBody(RequestModel):
    """Since when what is dead shall be sent again; absent: all of it."""

    since: AwareDatetime | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EndpointAnswer(_Answer):
    """An endpoint. `failing_since` and `disabled_at` are null while it is well."""

    endpoint_id: UUID
    version: int
    url: str
    event_types: list[str]
    description: str | None
    rate_per_s: int | None
    is_ordered: bool
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None
    failing_since: datetime | None
    secret_expiries: list[datetime | None]
    """When each secret that signs ceases to; null: not by itself."""


class NewEndpointAnswer(EndpointAnswer):
    """An endpoint and its secret, which is shown this once."""

    scheme: Scheme
    secret: str


class SecretAnswer(_Answer):
    """A new secret, shown this once, and until when the one before it signs as well."""

    scheme: Scheme
    secret: str
    old_expires_at: datetime


class DeliveryAnswer(_Answer):
    """One event for one endpoint. `id` is what `webhook-id` says at each attempt."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    subject: UUID
    state: DeliveryState
    attempts: int
    due_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    last_outcome: str | None


class AttemptAnswer(_Answer):
    """One attempt; `reply` is the begin of what the endpoint said, 1 KiB at most."""

    attempt: int
    started_at: datetime
    latency_ms: int
    outcome: str
    status: int | None
    reply: str | None


class DeliveryDetailAnswer(DeliveryAnswer):
    """A delivery, its event as it is sent, and its attempts."""

    event: str
    attempt_list: list[AttemptAnswer]


class TestAnswer(_Answer):
    """The delivery of a test event."""

    delivery_id: UUID
    event_id: UUID


class ReplayAnswer(_Answer):
    """How far a replay has come: `events_done` of `events` were planned again."""

    replay_id: UUID
    endpoint_id: UUID
    is_recovery: bool
    events: int
    events_done: int
    created_at: datetime
    finished_at: datetime | None


class EventTypesAnswer(_Answer):
    """Every type that there is."""

    data: list[str]
