"""E-mail addresses and phone numbers as handles: the directory and the log see a blind index only.

An address that a person typed becomes a name like `email.k5xq...`, made with a key of its own, so
it can neither be read back nor compared with the indexes of the people's tables. Whoever types the
same address comes to the same name; the name is claimed by the users' edge alone, once its person
has shown that they read what is sent there.
"""

import base64
from typing import Final
from uuid import UUID

from domain.contact import normalise_email, normalise_phone
from domain.errors import Invalid
from domain.handle import HANDLE_LENGTH_MAX, normalise_handle
from runtime.vault import Binding, Vault
from schemas.person import ContactKind

_COLUMNS: Final = {kind: f"handle.{kind}" for kind in ContactKind}
_NORMALISE: Final = {ContactKind.EMAIL: normalise_email, ContactKind.PHONE: normalise_phone}

_WORDS: Final = frozenset({"requests", "resolve"})
"""Words that stand where a handle stands in paths: their holder could not name them there."""

_PREFIXES: Final = {kind: f"{kind}." for kind in ContactKind}


def contact_handle(vault: Vault, kind: ContactKind, address: str) -> str:
    """The handle of an address in its one spelling: 130 bits of its blind index."""
    index = bytes.fromhex(vault.blind_index(_COLUMNS[kind], address))
    name = base64.b32encode(index).decode("ascii").lower()
    return (_PREFIXES[kind] + name)[:HANDLE_LENGTH_MAX]


def contact_kind(typed: str) -> ContactKind | None:
    """What kind of contact somebody typed where a handle stands; None for a tag."""
    text = typed.strip()
    if "@" in text[1:]:
        return ContactKind.EMAIL
    return ContactKind.PHONE if text.startswith("+") else None


def handle_of(typed: str, vault: Vault) -> str:
    """The handle that a person typed: an e-mail address, a number with its +, or a tag.

    Invalid, without what was typed, if it is none of them.
    """
    kind = contact_kind(typed)
    if kind is None:
        return normalise_handle(typed)
    try:
        return contact_handle(vault, kind, _NORMALISE[kind](typed.strip()))
    except Invalid as error:
        raise Invalid("invalid_handle", f"{error.message}, and no handle") from None


def display_name_binding(handle: str, person_id: UUID) -> Binding:
    """The place of the sealed name that people see beside a person's handle."""
    return Binding("handle", "display_name", handle, person_id)


def kind_of(handle: str) -> ContactKind | None:
    """The kind of contact that a handle stands for; None for a tag."""
    for kind, prefix in _PREFIXES.items():
        if handle.startswith(prefix):
            return kind
    return None


def claimed_tag(typed: str) -> str:
    """A tag that somebody may claim; Invalid if it is none, or is kept back."""
    handle = normalise_handle(typed)
    if handle in _WORDS or kind_of(handle) is not None:
        raise Invalid("handle_reserved", "this handle is kept back")
    return handle
