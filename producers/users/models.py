"""The bodies that the users' edge reads and writes, as its API describes them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.document import DocumentKind, MediaType
from domain.kyc import CaseState, ReviewReason, Wanted
from projections.directory import ChangeKind
from runtime.http.body import RequestModel
from schemas.account import FreezeReason, Tier
from schemas.person import ContactKind, PersonField

Text = Annotated[str, Field(max_length=1_024)]
"""Text as typed; what it may hold is decided after it is normalised."""


class ProfileBody(RequestModel):
    """What changes about a person: a field that is absent stays, one that is null is taken back."""

    legal_name: Text | None = None
    date_of_birth: Text | None = None
    ssn: Text | None = None
    email: Text | None = None
    phone: Text | None = None


class CodeBody(RequestModel):
    """The code that was sent."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class WalletBody(RequestModel):
    """The currency of a wallet."""

    currency: Text


class OwnHandleBody(RequestModel):
    """A handle to claim: a tag of one's own choice, or a verified contact.

    `handle` is the tag, and absent for a contact: that is known.
    """

    kind: Literal["tag", "email", "phone"]
    handle: Text | None = None
    account_id: UUID
    display_name: Text


class SubmissionBody(RequestModel):
    """The tier that a person asks for."""

    tier: Wanted


class SearchBody(RequestModel):
    """Whom to look for: exactly one of these, whole. There is no search by parts."""

    email: Text | None = None
    phone: Text | None = None


class RevealBody(RequestModel):
    """What to show, and why; the reason is kept with the act, so it should name nobody."""

    field: PersonField
    reason: Annotated[str, Field(min_length=8, max_length=200)]


class ReasonBody(RequestModel):
    """Why it is done; kept with the act, so it should name nobody."""

    reason: Annotated[str, Field(min_length=8, max_length=200)]


class DecisionBody(RequestModel):
    """Why a case is rejected, or what it lacks."""

    reason: ReviewReason


class FreezeBody(RequestModel):
    """Why an account is frozen, or let go."""

    reason: FreezeReason


class Answer(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ContactAnswer(Answer):
    """A contact, and whether its person has shown that they read it."""

    address: str
    is_verified: bool


class CaseAnswer(Answer):
    """A case. `reason` says why it was rejected, or what it lacks."""

    id: UUID
    tier: Wanted
    state: CaseState
    reason: ReviewReason | None
    submitted_at: datetime
    changed_at: datetime


class ProfileAnswer(Answer):
    """A person as they know themselves; the social security number is masked even here."""

    id: UUID
    version: int
    tier: Tier
    legal_name: str | None
    date_of_birth: str | None
    ssn: str | None
    email: ContactAnswer | None
    phone: ContactAnswer | None
    kyc: CaseAnswer | None


class CodeSentAnswer(Answer):
    """A code is on its way."""

    kind: ContactKind
    expires_at: datetime


class WalletAnswer(Answer):
    """A wallet of one's own; amounts count minor units, and are null until it is open."""

    id: UUID
    currency: str
    state: Literal["open", "opening", "frozen"]
    balance: int | None
    available: int | None


class WalletsAnswer(Answer):
    """All wallets of a person."""

    data: list[WalletAnswer]


class OwnHandleAnswer(Answer):
    """A handle of one's own; one that is a contact shows what it stands for."""

    handle: str
    kind: Literal["tag", "email", "phone"]
    account_id: UUID
    version: int


class OwnHandlesAnswer(Answer):
    """All handles of a person."""

    data: list[OwnHandleAnswer]


class ClaimAnswer(Answer):
    """What became of a claim; `requested` while nothing has."""

    request_id: UUID
    handle: str
    state: ChangeKind | Literal["requested"]
    version: int | None = None


class DocumentAnswer(Answer):
    """A document that lies sealed with us."""

    id: UUID
    kind: DocumentKind
    media_type: MediaType
    size: int
    stored_at: datetime


class KycAnswer(Answer):
    """How well a person is known, their case and their documents."""

    tier: Tier
    case: CaseAnswer | None
    documents: list[DocumentAnswer]
