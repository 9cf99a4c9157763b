"""People in PostgreSQL: what is kept of them, sealed; each function runs in the caller's unit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from domain.errors import Defect
from runtime.database import Connection
from runtime.vault import Binding, Forgotten
from runtime.vault.postgres import LOCK_CLASS
from schemas.account import Tier
from schemas.person import PersonField

IDENTITY: Final = (PersonField.LEGAL_NAME, PersonField.DATE_OF_BIRTH, PersonField.SSN)
"""What a case is decided on; contacts are not."""


class Person(NamedTuple):
    """A person, in the order of the table's columns; texts as they are sealed."""

    person_id: UUID
    version: int
    tier: Tier
    tier_version: int
    legal_name_sealed: str | None
    date_of_birth_sealed: str | None
    ssn_sealed: str | None
    codes_since: datetime | None
    """When the running hour of codes to this person's contacts began."""
    codes_sent: int
    created_at: datetime

    def sealed(self, field: PersonField) -> str | None:
        """The sealed text of a field of the person's identity."""
        return {
            PersonField.LEGAL_NAME: self.legal_name_sealed,
            PersonField.DATE_OF_BIRTH: self.date_of_birth_sealed,
            PersonField.SSN: self.ssn_sealed,
        }[field]


def binding_of(person_id: UUID, field: PersonField) -> Binding:
    """The place of a sealed text of the table `people`."""
    return Binding("people", field, person_id, person_id)


async def read_person(connection: Connection, person_id: UUID) -> Person | None:
    """A person as they stand; None if they have told us nothing."""
    return _person(await connection.fetchrow(_READ, person_id))


async def is_known(connection: Connection, person_id: UUID) -> bool:
    """Whether anything is kept of a person: they told us something, or can sign in at least."""
    found: bool = await connection.fetchval(_IS_KNOWN, person_id)
    return found


async def locked_person(connection: Connection, person_id: UUID, *, now: datetime) -> Person:
    """A person's row, locked until the unit ends, made if there is none. Raises Forgotten.

    Whoever is being forgotten is waited for: nothing may be written of them afterwards.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock_shared(hashtextextended($1::uuid::text, $2))",
        person_id,
        LOCK_CLASS,
    )
    # Statements of their own: they see what was committed while we waited for the lock.
    if await connection.fetchval(_IS_FORGOTTEN, person_id):
        raise Forgotten
    await connection.execute(_ADD, person_id, now)
    person = _person(await connection.fetchrow(f"{_READ} FOR UPDATE", person_id))
    if person is None:
        raise Defect("a person that was just added is not there")
    return person


async def lock_for_forgetting(connection: Connection, person_id: UUID) -> None:
    """Wait for whoever writes of this person, and let nobody begin until the unit ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, $2))", person_id, LOCK_CLASS
    )


async def write_identity(
    connection: Connection, person: Person, sealed: Mapping[PersonField, str | None]
) -> Person:
    """The person with these fields anew, and one version further."""
    after = person._replace(
        version=person.version + 1,
        legal_name_sealed=sealed.get(PersonField.LEGAL_NAME, person.legal_name_sealed),
        date_of_birth_sealed=sealed.get(PersonField.DATE_OF_BIRTH, person.date_of_birth_sealed),
        ssn_sealed=sealed.get(PersonField.SSN, person.ssn_sealed),
    )
    await connection.execute(
        "UPDATE people SET version = $2, legal_name_sealed = $3, date_of_birth_sealed = $4,"
        " ssn_sealed = $5 WHERE person_id = $1",
        after.person_id,
        after.version,
        after.legal_name_sealed,
        after.date_of_birth_sealed,
        after.ssn_sealed,
    )
    return after


async def write_tier(connection: Connection, person: Person, tier: Tier) -> Person:
    """The person in another tier, one version of theirs further."""
    after = person._replace(tier=tier, tier_version=person.tier_version + 1)
    await connection.execute(
        "UPDATE people SET tier = $2, tier_version = $3 WHERE person_id = $1",
        after.person_id,
        after.tier,
        after.tier_version,
    )
    return after


async def write_codes(connection: Connection, person: Person) -> None:
    """How many codes were sent to the person's contacts, and since when."""
    await connection.execute(
        "UPDATE people SET codes_since = $2, codes_sent = $3 WHERE person_id = $1",
        person.person_id,
        person.codes_since,
        person.codes_sent,
    )


def _person(row: asyncpg.Record | None) -> Person | None:
    if row is None:
        return None
    person = Person(*row)
    return person._replace(tier=Tier(person.tier))


_COLUMNS: Final = ", ".join(Person._fields)
_READ: Final = f"SELECT {_COLUMNS} FROM people WHERE person_id = $1"  # noqa: S608 - own words only
_ADD: Final = (
    "INSERT INTO people (person_id, created_at) VALUES ($1, $2) ON CONFLICT (person_id) DO NOTHING"
)
_IS_KNOWN: Final = """
    SELECT EXISTS (SELECT FROM people WHERE person_id = $1)
        OR EXISTS (SELECT FROM auth_users WHERE user_id = $1)
"""
_IS_FORGOTTEN: Final = "SELECT EXISTS (SELECT FROM forgotten_people WHERE owner = $1)"
