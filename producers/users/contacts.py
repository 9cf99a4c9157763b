"""Contacts in PostgreSQL: where people can be reached, and the codes that prove it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from runtime.database import Connection
from runtime.vault import Binding
from schemas.person import ContactKind

INDEX_COLUMNS: Final = {kind: f"people_contacts.{kind}" for kind in ContactKind}
"""The columns of the blind indexes of addresses: look-ups and uniqueness."""


class Contact(NamedTuple):
    """One contact of a person, in the order of the table's columns."""

    person_id: UUID
    kind: ContactKind
    address_sealed: str
    address_index: str
    verified_at: datetime | None
    code_index: str | None = None
    code_sent_at: datetime | None = None
    code_tries: int = 0


def binding_of(person_id: UUID, kind: ContactKind) -> Binding:
    """The place of a sealed address."""
    return Binding("people_contacts", kind, person_id, person_id)


async def read_contacts(connection: Connection, person_id: UUID) -> dict[ContactKind, Contact]:
    """All contacts of a person. Locked are they by the person's row, of whoever changes them."""
    rows = await connection.fetch(_READ, person_id)
    contacts = [Contact(*row) for row in rows]
    return {ContactKind(each.kind): each for each in contacts}


async def write_contact(connection: Connection, contact: Contact) -> None:
    """Add or replace a contact, whole."""
    await connection.execute(_WRITE, *contact)


async def delete_contact(connection: Connection, person_id: UUID, kind: ContactKind) -> None:
    """Take a contact away."""
    await connection.execute(
        "DELETE FROM people_contacts WHERE person_id = $1 AND kind = $2", person_id, kind
    )


async def is_taken(connection: Connection, contact: Contact) -> bool:
    """Whether somebody else has verified this address."""
    taken: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM people_contacts WHERE kind = $1 AND address_index = $2"
        " AND person_id <> $3 AND verified_at IS NOT NULL)",
        contact.kind,
        contact.address_index,
        contact.person_id,
    )
    return taken


async def people_at(
    connection: Connection, kind: ContactKind, address_index: str, *, limit: int
) -> Sequence[tuple[UUID, bool]]:
    """Who has named this address, and whether they have shown that it is theirs; those first."""
    rows = await connection.fetch(
        "SELECT person_id, verified_at IS NOT NULL FROM people_contacts"
        " WHERE kind = $1 AND address_index = $2"
        " ORDER BY verified_at IS NULL, person_id LIMIT $3",
        kind,
        address_index,
        limit,
    )
    return [(row[0], row[1]) for row in rows]


_COLUMNS: Final = ", ".join(Contact._fields)
_READ: Final = f"SELECT {_COLUMNS} FROM people_contacts WHERE person_id = $1"  # noqa: S608 - own words only
_WRITE: Final = (
    f"INSERT INTO people_contacts ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"  # noqa: S608 - own words only
    " ON CONFLICT (person_id, kind) DO UPDATE SET "
    + ", ".join(f"{name} = EXCLUDED.{name}" for name in Contact._fields[2:])
)
