"""What a request's body is known by on the log and in tables: a keyed fingerprint.

A body holds words that are sealed wherever else they stand, beside fields that are not. Who had a
plain hash of it could try names and short texts until one fits, also after their person was
forgotten and the key destroyed. The key is that of blind indexes: every process has the same one.
"""

from typing import Final

from runtime.vault import Vault

# Named so when only bodies that held a contact were keyed: theirs are the same to this day.
_COLUMN: Final = "handle.body"


def keyed_fingerprint(fingerprint: str, vault: Vault) -> str:
    """The fingerprint of a body under the house's key: as long, and nobody else can make it."""
    return vault.blind_index(_COLUMN, fingerprint)


def is_same_body(stored: str, keyed: str, vault: Vault) -> bool:
    """Whether a stored fingerprint is of the body that this keyed one is of.

    Some were stored before all were keyed: such a plain one is keyed now.
    """
    return keyed in (stored, keyed_fingerprint(stored, vault))
