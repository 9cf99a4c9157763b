"""The person.* topics: what changed about a person, by name only, and what follows from it.

Nothing here is personal: a person is an id without a meaning, a field is named and not told.
"""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from schemas.account import Tier
from schemas.event import RequestEvent, Version


class PersonField(StrEnum):
    """What Titan keeps of a person, each under the person's own key."""

    LEGAL_NAME = "legal_name"
    DATE_OF_BIRTH = "date_of_birth"
    SSN = "ssn"
    EMAIL = "email"
    PHONE = "phone"


class ContactKind(StrEnum):
    """Where a person can be reached; a verified one can be a handle."""

    EMAIL = "email"
    PHONE = "phone"


class PersonEvent(RequestEvent):
    """What all events of one person carry. `request_id` is the act's that caused it."""

    person_id: UUID

    @property
    def key(self) -> str:
        """The person."""
        return str(self.person_id)


class PersonChanged(PersonEvent):
    """A person told us something about themselves, or took it back.

    Source: producers.users (PATCH /users/me), by its outbox.
    Key:    person_id.
    Units:  version counts the changes of the person's record, from 1.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "person.changed.v1"

    version: Version
    fields: list[PersonField]


class ContactVerified(PersonEvent):
    """A person has shown that they read what is sent to their e-mail address or phone.

    Source: producers.users, by its outbox.
    Key:    person_id.
    Units:  version counts the changes of the person's record, from 1.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "person.contact-verified.v1"

    version: Version
    kind: ContactKind


class PersonTierChanged(PersonEvent):
    """Two reviewers know the person better: their payments are held to other limits.

    Source: producers.users, by its outbox, in one commit with the decision.
    Key:    person_id.
    Units:  version counts the person's tiers, from 1: the highest stands, whatever comes when.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "person.tier-changed.v1"

    tier: Tier
    version: Version
    case_id: UUID
