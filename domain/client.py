"""Clients that are people: their id says whose they are."""

from typing import Final
from uuid import UUID

_PERSON: Final = "user:"


def client_of(person_id: UUID) -> str:
    """The client id of a person."""
    return f"{_PERSON}{person_id}"


def person_of(client_id: str) -> UUID | None:
    """The person whose client id this is; None for a program, or the demo."""
    if not client_id.startswith(_PERSON):
        return None
    try:
        person_id = UUID(client_id.removeprefix(_PERSON))
    except ValueError:
        return None
    return person_id if client_of(person_id) == client_id else None
