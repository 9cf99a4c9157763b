"""What a person tells of themselves: read, changed, and who else hears of the change."""

from collections.abc import Mapping
from uuid import UUID, uuid5

from producers.users import cases, contacts, people
from producers.users.contacts import Contact
from producers.users.decide import (
    Act,
    Changes,
    demand_identity_open,
    messages_of,
    release_of,
)
from producers.users.edge import UsersEdge
from runtime.contact_handles import contact_handle
from runtime.database import Connection
from runtime.outbox import put
from runtime.vault import Vault
from schemas.person import ContactKind, PersonChanged, PersonField
from schemas.wire import Message


async def change_profile(edge: UsersEdge, act: Act, person_id: UUID, changes: Changes) -> None:
    """Write a change of one's own profile. Raises ProblemError 409, Forgotten, Unavailable."""
    vault = edge.resources.vault
    identity = await _sealed_identity(vault, person_id, changes.identity)
    fresh = await _sealed_contacts(vault, person_id, changes.contacts)
    async with edge.unit() as connection:
        person = await people.locked_person(connection, person_id, now=act.at)
        if identity:
            case = await cases.case_under_way(connection, person_id)
            demand_identity_open(person.tier, case)
        known = await contacts.read_contacts(connection, person_id)
        messages: list[Message] = []
        for kind, contact in fresh.items():
            before = known.get(kind)
            if before and contact and before.address_index == contact.address_index:
                continue
            await _write(connection, person_id, kind, contact)
            if before is not None and before.verified_at is not None:
                messages += await _released(vault, act, before)
        person = await people.write_identity(connection, person, identity)
        event = PersonChanged(
            request_id=act.act_id,
            requested_at=act.at,
            person_id=person_id,
            version=person.version,
            fields=changes.fields,
        )
        await put(connection, [*messages_of(act, event), *messages])


async def _write(
    connection: Connection, person_id: UUID, kind: ContactKind, contact: Contact | None
) -> None:
    if contact is None:
        await contacts.delete_contact(connection, person_id, kind)
    else:
        await contacts.write_contact(connection, contact)


async def _sealed_identity(
    vault: Vault, person_id: UUID, identity: Mapping[PersonField, str | None]
) -> dict[PersonField, str | None]:
    texts = {field: text for field, text in identity.items() if text is not None}
    sealed = await vault.seal_for(
        person_id,
        [(people.binding_of(person_id, field), text) for field, text in texts.items()],
    )
    return dict.fromkeys(identity) | dict(zip(texts, map(str, sealed), strict=True))


async def _sealed_contacts(
    vault: Vault, person_id: UUID, addresses: Mapping[ContactKind, str | None]
) -> dict[ContactKind, Contact | None]:
    """The contacts as they are to stand, none of them verified; None where one is taken back."""
    texts = {kind: address for kind, address in addresses.items() if address is not None}
    sealed = await vault.seal_for(
        person_id,
        [(contacts.binding_of(person_id, kind), address) for kind, address in texts.items()],
    )
    made: dict[ContactKind, Contact | None] = dict.fromkeys(addresses)
    for (kind, address), text in zip(texts.items(), map(str, sealed), strict=True):
        index = vault.blind_index(contacts.INDEX_COLUMNS[kind], address)
        made[kind] = Contact(person_id, kind, text, index, None)
    return made


async def _released(vault: Vault, act: Act, contact: Contact) -> list[Message]:
    [address] = await vault.open_for(
        contact.person_id,
        [(contacts.binding_of(contact.person_id, contact.kind), contact.address_sealed)],
    )
    handle = contact_handle(vault, contact.kind, str(address))
    return [release_of(act, handle, uuid5(act.act_id, f"release {contact.kind}"))]
