"""The directory's noun: what a handle names, and since which change.

A version counts the changes of one handle from 1 and never goes back: a handle that was released
keeps its count, so that whoever claims it next continues it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class HandleTarget:
    """What a handle names: an account, its currency (ISO 4217), and the holder's sealed name."""

    account_id: UUID
    currency: str
    display_name_sealed: str


@dataclass(frozen=True, slots=True)
class HandleEntry:
    """A handle as the directory has it; `target` is None once it was released.

    `client_id` is the client of the newest change, who alone may port or release the handle.
    """

    handle: str
    version: int
    client_id: str
    target: HandleTarget | None
    requested_at: datetime
    """When the newest change was asked for (UTC)."""


def newer(one: HandleEntry | None, other: HandleEntry) -> HandleEntry:
    """Of two sights of one handle the later: in whatever order they come, the same one stands."""
    return other if one is None or other.version > one.version else one
