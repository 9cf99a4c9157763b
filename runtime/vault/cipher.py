"""AES-256-GCM (NIST SP 800-38D) under one data key."""

import os
from typing import Final, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Invalid
from runtime.vault.binding import Binding
from runtime.vault.envelope import (
    HEADER_BYTES,
    KEY_BYTES,
    NONCE_BYTES,
    SEALED_FROM,
    does_not_open,
    pack_header,
    to_bytes,
    to_text,
)

Text = TypeVar("Text", str, bytes)
"""Text is sealed to base64 text, bytes to raw bytes."""

_NONCES_AT_ONCE: Final = 16
_nonces: Final[list[bytes]] = []
"""Random bytes that nothing was sealed with yet: asking the kernel costs as much as sealing.

Each is taken once (a list's pop is atomic). A forked child throws its parent's away.
"""

os.register_at_fork(after_in_child=_nonces.clear)


class Cipher:
    """Seals and opens under one data key. Does not count: see counter.py.

    The associated data is the envelope's header and the binding: neither the key's id, nor the
    version, nor the place can be changed without the text failing to open. AES-GCM alone does not
    commit to its key; with the key's id in the associated data, one text does not open under two.
    """

    __slots__ = ("_gcm", "_header", "key_id")

    def __init__(self, key: bytes, *, key_id: UUID, kek_id: int) -> None:
        if len(key) != KEY_BYTES:
            raise Invalid("invalid_vault_key", f"a vault's key has {KEY_BYTES} bytes")
        self._gcm = AESGCM(key)
        self._header = pack_header(kek_id, key_id)
        self.key_id = key_id

    def encrypt(self, plain: Text, binding: Binding) -> Text:
        """The envelope of it, raw of bytes and base64 of text; each call differs."""
        if isinstance(plain, str):
            return to_text(self._encrypt(plain.encode(), binding))
        return self._encrypt(plain, binding)

    def decrypt(self, sealed: Text, binding: Binding) -> Text:
        """What was sealed; Invalid `sealed_text`, in the same words whatever is wrong."""
        if isinstance(sealed, str):
            try:
                return self._decrypt(to_bytes(sealed), binding).decode()
            except UnicodeDecodeError:
                raise does_not_open() from None
        return self._decrypt(sealed, binding)

    def _encrypt(self, plain: bytes, binding: Binding) -> bytes:
        header = self._header
        try:
            nonce = _nonces.pop()
        except IndexError:
            nonce = _fresh_nonce()
        return header + nonce + self._gcm.encrypt(nonce, plain, header + binding.encoded())

    def _decrypt(self, envelope: bytes, binding: Binding) -> bytes:
        header = envelope[:HEADER_BYTES]
        # The id of the key-encryption key may be an older one; version and data key may not.
        if header[:1] != self._header[:1] or header[5:] != self._header[5:]:
            raise does_not_open()
        try:
            return self._gcm.decrypt(
                envelope[HEADER_BYTES:SEALED_FROM],
                envelope[SEALED_FROM:],
                header + binding.encoded(),
            )
        except (ValueError, InvalidTag):
            raise does_not_open() from None


def _fresh_nonce() -> bytes:
    block = os.urandom(NONCE_BYTES * _NONCES_AT_ONCE)
    fresh = [block[at : at + NONCE_BYTES] for at in range(0, len(block), NONCE_BYTES)]
    nonce = fresh.pop()
    _nonces.extend(fresh)
    return nonce
