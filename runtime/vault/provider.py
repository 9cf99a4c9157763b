"""The port to whoever holds key-encryption keys, and the wrapping that local ones share."""

import os
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Invalid
from runtime.vault.envelope import NONCE_BYTES


class Wrapping(NamedTuple):
    """A data key on its way into a wrap, or out of one, and whose it is.

    The ids are bound to the wrap: one that was moved to another row does not unwrap.
    """

    owner: UUID
    key_id: UUID
    content: bytes


class KeyProvider(Protocol):
    """Holds key-encryption keys, each under a reference of the provider's own.

    Raises Unavailable when it is down; Invalid `missing_kek` for a reference it does not have, and
    `wrapped_key` for a wrap that does not open, which a later try does not mend.
    """

    name: str
    """As the registry of keys has it: file, environment, aws-kms."""

    async def create(self, reference: str | None) -> str:
        """The reference of a new key, or of the one that `reference` names, once it is usable."""
        ...

    async def wrap(self, reference: str, keys: Sequence[Wrapping]) -> list[bytes]:
        """The wraps of data keys, in their order."""
        ...

    async def unwrap(self, reference: str, wraps: Sequence[Wrapping]) -> list[bytes]:
        """The data keys in wraps, in their order."""
        ...

    async def destroy(self, reference: str) -> None:
        """End a key for good: whatever it alone wraps is lost. Safe to repeat."""
        ...

    async def close(self) -> None:
        """Give connections up."""
        ...


_CONTEXT: Final = b"titan data key\0"


def context_of(key: Wrapping) -> bytes:
    """What is bound to a wrap besides its content."""
    return _CONTEXT + key.owner.bytes + key.key_id.bytes


def missing_kek(reference: str) -> Invalid:
    """The provider does not have that key, or no longer."""
    return Invalid("missing_kek", f"there is no key-encryption key {reference}")


def wrap_locally(kek: bytes, keys: Sequence[Wrapping]) -> list[bytes]:
    """Wraps under a key that this process holds: `nonce | ciphertext | tag`, AES-256-GCM."""
    gcm = AESGCM(kek)
    wraps = []
    for key in keys:
        nonce = os.urandom(NONCE_BYTES)
        wraps.append(nonce + gcm.encrypt(nonce, key.content, context_of(key)))
    return wraps


def unwrap_locally(kek: bytes, wraps: Sequence[Wrapping]) -> list[bytes]:
    """The data keys in such wraps; Invalid `wrapped_key` if one does not open."""
    gcm = AESGCM(kek)
    try:
        return [
            gcm.decrypt(wrap.content[:NONCE_BYTES], wrap.content[NONCE_BYTES:], context_of(wrap))
            for wrap in wraps
        ]
    except (ValueError, InvalidTag):
        raise Invalid("wrapped_key", "a person's wrapped key does not open") from None
