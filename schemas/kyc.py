"""The kyc.* topics: how a person's case went, one event a change.

`version` counts the changes of a case, from 1, over all of these topics.
"""

from typing import ClassVar
from uuid import UUID

from domain.document import DocumentKind, MediaType
from domain.kyc import ReviewReason, Wanted
from schemas.event import ClientId, Version
from schemas.person import PersonEvent


class KycDocumentStored(PersonEvent):
    """A person has sent a document, and it lies sealed in the store.

    Source: producers.users, by its outbox.
    Key:    person_id.
    Units:  size_bytes is that of the cleaned document, before it was sealed.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "kyc.document-stored.v1"

    document_id: UUID
    kind: DocumentKind
    media_type: MediaType
    size_bytes: int


class CaseEvent(PersonEvent):
    """What all changes of one case carry."""

    case_id: UUID
    version: Version


class KycSubmitted(CaseEvent):
    """A person asks to be known better.

    Source: producers.users, by its outbox.
    Key:    person_id.
    Units:  version counts the changes of the case.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "kyc.submitted.v1"

    wanted: Wanted


class ReviewEvent(CaseEvent):
    """What all acts of a reviewer carry."""

    reviewer: ClientId


class KycReviewStarted(ReviewEvent):
    """A reviewer has taken the case.

    Source: producers.users, by its outbox.
    Key:    person_id.
    Units:  version counts the changes of the case.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "kyc.review-started.v1"


class KycApprovalProposed(ReviewEvent):
    """A first reviewer would approve; nothing changes until a second one does.

    Source: producers.users, by its outbox.
    Key:    person_id.
    Units:  version counts the changes of the case.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "kyc.approval-proposed.v1"


class KycApproved(ReviewEvent):
    """A second reviewer has agreed; person.tier-changed says what follows.

    Source: producers.users, by its outbox.
    Key:    person_id.
    Units:  version counts the changes of the case.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "kyc.approved.v1"

    proposed_by: ClientId
    wanted: Wanted


class KycRejected(ReviewEvent):
    """Our no, with its reason; the person may begin another case.

    Source: producers.users, by its outbox.
    Key:    person_id.
    Units:  version counts the changes of the case.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "kyc.rejected.v1"

    reason: ReviewReason


class KycInformationRequested(ReviewEvent):
    """Something is missing; the person submits again when they have it.

    Source: producers.users, by its outbox.
    Key:    person_id.
    Units:  version counts the changes of the case.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "kyc.information-requested.v1"

    reason: ReviewReason
