"""Clients that are people, or programs: their id says which."""

from functools import lru_cache
from typing import Final
from uuid import UUID

_PERSON: Final = "user:"
_PROGRAM: Final = "client:"
_REMEMBERED_MAX: Final = 10_000
"""Ids that are not read again: the same few clients are asked about many times a second."""


def client_of(person_id: UUID) -> str:
    """The client id of a person."""
    return f"{_PERSON}{person_id}"


@lru_cache(maxsize=_REMEMBERED_MAX)
def person_of(client_id: str) -> UUID | None:
    """The person whose client id this is; None for a program, or the demo."""
    if not client_id.startswith(_PERSON):
        return None
    try:
        person_id = UUID(client_id.removeprefix(_PERSON))
    except ValueError:
        return None
    return person_id if client_of(person_id) == client_id else None


def is_program(client_id: str) -> bool:
    """Whether this is the client id of a program."""
    return client_id.startswith(_PROGRAM)
