"""The answers that staff get from the users' edge."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from domain.kyc import CaseState, ReviewReason, Wanted
from producers.users.models import Answer, DocumentAnswer
from schemas.account import Tier
from schemas.person import PersonField


class FoundAnswer(Answer):
    """Somebody who has named the address; `is_verified` says that it is theirs."""

    person_id: UUID
    is_verified: bool


class FoundPeopleAnswer(Answer):
    """Everybody who has."""

    data: list[FoundAnswer]


class PersonAnswer(Answer):
    """A person as staff see them: which fields there are, none of them told.

    `created_at` is when they first told us something.
    """

    id: UUID
    tier: Tier
    is_suspended: bool
    has: list[PersonField]
    verified: list[PersonField]
    ssn: str | None
    accounts: list[UUID]
    created_at: datetime | None


class RevealedAnswer(Answer):
    """One field of one person, in clear."""

    person_id: UUID
    field: PersonField
    value: str


class ReviewAnswer(Answer):
    """A case as reviewers see it. `proposed_by` is who would approve it already."""

    id: UUID
    person_id: UUID
    tier: Wanted
    state: CaseState
    version: int
    proposed_by: str | None
    reason: ReviewReason | None
    submitted_at: datetime
    changed_at: datetime


class CaseFileAnswer(ReviewAnswer):
    """A case, what the person says of themselves, and their documents."""

    legal_name: str | None
    date_of_birth: str | None
    ssn: str | None
    documents: list[DocumentAnswer]


class LinkAnswer(Answer):
    """Where one reviewer finds one document for a moment."""

    href: str
    expires_at: datetime


class AccountStandingAnswer(Answer):
    """Whether an account may be posted to."""

    id: UUID
    state: Literal["open", "frozen"]
    request_id: UUID | None = None


class FreezeAnswer(Answer):
    """An order on its way to the ledger."""

    request_id: UUID
    account_id: UUID
    state: Literal["requested"]
