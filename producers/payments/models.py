"""The bodies that the Payment Router reads and writes, as its API describes them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.payment import PaymentType, RefusalCode, State
from runtime import limits
from runtime.http.body import RequestModel
from runtime.http.problem import ProblemDocument
from schemas.account import Tier
from schemas.event import AmountMinor

Text = Annotated[str, Field(max_length=1_024)]
"""Text as typed; what it may hold is decided after it is normalised."""


class PaymentBody(RequestModel):
    """A payment as the client asks for it. `amount` counts minor units (USD: cents)."""

    from_handle: Text
    to_handle: Text
    amount: AmountMinor
    currency: Text
    payment_type: PaymentType
    description: Text | None = None


class BulkItemBody(PaymentBody):
    """One payment among many, with the key that names it."""

    idempotency_key: Text


class BulkBody(RequestModel):
    """Many payments at once; each is accepted or refused on its own."""

    payments: Annotated[
        list[BulkItemBody], Field(min_length=1, max_length=limits.BULK_PAYMENTS_MAX)
    ]


class AccountBody(RequestModel):
    """A wallet to be opened."""

    currency: Text


class Answer(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PaymentLinks(Answer):
    """Where to go on from a payment."""

    self: str
    events: str


class PaymentAccepted(Answer):
    """A payment that is in the log; nothing is decided yet."""

    id: UUID
    state: Literal[State.REQUESTED]
    links: PaymentLinks


class BulkAccepted(PaymentAccepted):
    """One of many that was accepted: `index` is its place in the request, counted from 0."""

    index: int
    status: Literal[202]
    replayed: bool


class BulkRefused(Answer):
    """One of many that was not accepted, and why."""

    index: int
    status: int
    problem: ProblemDocument


class BulkAnswer(Answer):
    """An answer for each payment, in the order of the request."""

    data: list[BulkAccepted | BulkRefused]
    accepted: int
    refused: int


class StateReached(Answer):
    """A state of a payment's history and when it was reached (UTC)."""

    state: State
    at: datetime


class PaymentAnswer(Answer):
    """A payment as it stands; `amount` counts minor units.

    What it asks for (handles, amount, ...) is null for the moment in which a payment is accepted
    but not yet readable.
    """

    id: UUID
    state: State
    from_handle: str | None = None
    to_handle: str | None = None
    amount: int | None = None
    currency: str | None = None
    payment_type: PaymentType | None = None
    description: str | None = None
    accepted_at: datetime
    history: list[StateReached]
    refusal_code: RefusalCode | None = None
    posting_id: UUID | None = None
    conflicted_at: datetime | None = None
    """When another body came under the payment's key and was ignored."""
    links: PaymentLinks


class PaymentEvent(Answer):
    """One event of a payment's stream."""

    id: UUID
    state: State
    at: datetime
    refusal_code: RefusalCode | None = None
    posting_id: UUID | None = None


class AccountLinks(Answer):
    """Where to go on from an account."""

    self: str
    entries: str


class AccountOpening(Answer):
    """A wallet that was asked for; it is `open` once money can move."""

    id: UUID
    state: Literal["opening", "open"]
    currency: str
    links: AccountLinks


class AccountAnswer(Answer):
    """A wallet as it stands; money counts minor units of its currency."""

    id: UUID
    state: Literal["open", "frozen"]
    currency: str
    tier: Tier
    balance: int
    held: int
    available: int
    requested_at: datetime
    links: AccountLinks


class EntryAnswer(Answer):
    """One line of an account's history: credits are positive, debits negative."""

    sequence: int
    posting_id: UUID
    amount: int
    balance_after: int
    posted_at: datetime
