"""E-mail addresses and phone numbers as handles: the directory and the log see a blind index only.

An address that a person typed becomes a name like `email.k5xq...`, made with a key of its own, so
it can neither be read back nor compared with the indexes of the people's tables. Whoever types the
same address comes to the same name; the name is claimed by the users' edge alone, once its person
has shown that they read what is sent there.
"""

import base64
from typing import Final

from domain.contact import normalise_email, normalise_phone
from domain.errors import Invalid
from domain.handle import HANDLE_LENGTH_MAX, normalise_handle
from runtime.vault import Vault
from schemas.person import ContactKind

_COLUMNS: Final = {kind: f"handle.{kind}" for kind in ContactKind}
_PREFIXES: Final = {kind: f"{kind}." for kind in ContactKind}


def contact_handle(vault: Vault, kind: ContactKind, address: str) -> str:
    """The handle of an address in its one spelling: 130 bits of its blind index."""
    index = bytes.fromhex(vault.blind_index(_COLUMNS[kind], address))
    name = base64.b32encode(index).decode("ascii").lower()
    return (_PREFIXES[kind] + name)[:HANDLE_LENGTH_MAX]


def handle_of(typed: str, vault: Vault) -> str:
    """The handle that a person typed: an e-mail address, a number with its +, or a tag.

    Invalid, without what was typed, if it is none of them.
    """
    text = typed.strip()
    if "@" in text[1:]:
        return contact_handle(vault, ContactKind.EMAIL, normalise_email(text))
    if text.startswith("+"):
        return contact_handle(vault, ContactKind.PHONE, normalise_phone(text))
    return normalise_handle(typed)


def kind_of(handle: str) -> ContactKind | None:
    """The kind of contact that a handle stands for; None for a tag."""
    for kind, prefix in _PREFIXES.items():
        if handle.startswith(prefix):
            return kind
    return None


def claimed_tag(typed: str) -> str:
    """A tag that somebody may claim; Invalid if it is none, or looks like the name of a contact."""
    handle = normalise_handle(typed)
    if kind_of(handle) is not None:
        raise Invalid(
            "handle_reserved", "names of this form stand for contacts: claim yours as a person"
        )
    return handle
