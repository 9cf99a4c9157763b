"""Forgetting somebody: they come in nowhere, and handles that were contacts are given up.

-> person.forgotten | standing.changed | handle.release-requested
"""

from typing import Final
from uuid import UUID, uuid5

from domain.client import client_of
from producers.users import contacts, people
from producers.users.decide import Act, messages_of, release_of
from projections.directory import handles_of
from runtime.clock import Clock
from runtime.contact_handles import contact_handle, kind_of
from runtime.database import Connection
from runtime.outbox import put
from runtime.vault import Vault
from runtime.vault.forgetting import forget_person
from schemas.standing import Standing, StandingChanged

_NAMESPACE: Final = UUID("5f0c1f0a-7d52-5d0e-9c55-1f6f5f6b8c21")
"""Root of what a person's forgetting leads to: uuid5 of the person, and of that what it is."""
_STANDING: Final = "standing"
"""No handle: those of contacts have a dot in them."""


async def forget(vault: Vault, connection: Connection, person_id: UUID, *, clock: Clock) -> bool:
    """Forget a person within the caller's transaction; False if they were forgotten before.

    An address that was a handle of theirs pays nobody any more, and whoever proves it next may have
    it: themselves, if they come again. Safe to repeat. Raises Unavailable.
    """
    await people.lock_for_forgetting(connection, person_id)
    handles = await _contact_handles(vault, connection, person_id)
    is_fresh = await forget_person(vault, connection, person_id, clock=clock)
    forgotten_at = await connection.fetchval(
        "SELECT forgotten_at FROM forgotten_people WHERE owner = $1", person_id
    )
    act = Act(uuid5(_NAMESPACE, str(person_id)), forgotten_at, client_of(person_id), None)
    standing = StandingChanged(
        request_id=uuid5(act.act_id, _STANDING),
        requested_at=act.at,
        principal=act.client_id,
        standing=Standing.REVOKED,
    )
    releases = [release_of(act, handle, uuid5(act.act_id, handle)) for handle in sorted(handles)]
    await put(connection, [*messages_of(act, standing), *releases])
    return is_fresh


async def _contact_handles(vault: Vault, connection: Connection, person_id: UUID) -> set[str]:
    """What the directory has, and what it may yet be asked for: a claim can be on its way."""
    held = await handles_of(connection, client_of(person_id))
    verified = [
        contact
        for contact in (await contacts.read_contacts(connection, person_id)).values()
        if contact.verified_at is not None
    ]
    addresses = await vault.open_each(
        [(contacts.binding_of(person_id, each.kind), each.address_sealed) for each in verified]
    )
    return {entry.handle for entry in held if kind_of(entry.handle) is not None} | {
        contact_handle(vault, contact.kind, address)
        for contact, address in zip(verified, addresses, strict=True)
        if address is not None
    }
