"""The person.forgotten topic: whose texts nobody can read any more."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from schemas.event import Event


class PersonForgotten(Event):
    """A person's data key was destroyed, and with it every text that was sealed for them.

    What was posted stays: amounts, accounts and this id are no one's name. Kept for ever, so that
    an older database that is restored forgets them again (`titan forget --from-log`).

    Source: producers.users and `titan forget`, by the outbox.
    Key:    person_id; the topic is compacted.
    Units:  none.
    Errors: breaks this schema -> passed over and counted by whoever reads it.
    """

    TOPIC: ClassVar[str] = "person.forgotten.v1"

    person_id: UUID
    forgotten_at: AwareDatetime

    @property
    def key(self) -> str:
        """The person."""
        return str(self.person_id)

    @property
    def subject(self) -> UUID:
        """The person."""
        return self.person_id

    @property
    def started_at(self) -> AwareDatetime:
        """When they were forgotten."""
        return self.forgotten_at
