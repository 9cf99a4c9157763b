"""The house's own keys: they seal what belongs to no person, such as the demo client's texts.

The first key seals, all of them open: a new key is put before the old one, and the old one stays
for as long as texts under it are to be read.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Defect, Invalid
from runtime.settings import Settings
from runtime.vault.binding import Binding
from runtime.vault.cipher import Cipher
from runtime.vault.envelope import (
    HOUSE_KEK_ID,
    KEY_BYTES,
    NONCE_BYTES,
    does_not_open,
    read_header,
    to_bytes,
)

_KEY_FILE: Final = "vault.key"
_HOUSE: Final = "house"
_FIRST_VERSION: Final = b"\x01"


class HouseKeys:
    """Seals and opens texts by their purpose, under the house's keys."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise Invalid("missing_vault_key", "the house has no key")
        ciphers = [Cipher(key, key_id=_id_of(key), kek_id=HOUSE_KEK_ID) for key in keys]
        self._first = ciphers[0]
        self._ciphers = {cipher.key_id: cipher for cipher in ciphers}
        self._gcms = [AESGCM(key) for key in keys]
        self.sealed = 0

    @property
    def key_id(self) -> UUID:
        """Of the key that seals."""
        return self._first.key_id

    def seal(self, text: str, purpose: str) -> str:
        """The envelope of a text; what was sealed for one purpose does not open for another."""
        self.sealed += 1
        return self._first.encrypt(text, _binding(purpose))

    def open(self, sealed: str, purpose: str) -> str:
        """The text; Invalid `sealed_text`, in the same words whatever is wrong."""
        envelope = to_bytes(sealed)
        if envelope[:1] == _FIRST_VERSION:
            return self._open_first_version(envelope, purpose)
        cipher = self._ciphers.get(read_header(envelope).key_id)
        if cipher is None:
            raise does_not_open()
        return cipher.decrypt(sealed, _binding(purpose))

    def _open_first_version(self, envelope: bytes, purpose: str) -> str:
        """A text of the time before keys had ids: `1 | nonce | ciphertext | tag`."""
        nonce, sealed = envelope[1 : 1 + NONCE_BYTES], envelope[1 + NONCE_BYTES :]
        for gcm in self._gcms:
            try:
                return gcm.decrypt(nonce, sealed, purpose.encode()).decode()
            except (ValueError, InvalidTag):
                continue
        raise does_not_open()


def house_secrets(settings: Settings) -> list[bytes]:
    """The house's keys as the settings name them, the sealing one first.

    The demo makes one of its own in the data directory, readable by its owner only; anywhere else
    a missing key is Invalid, because text sealed under a lost key is lost.
    """
    if settings.vault_key is not None:
        return [
            secret_of(text, "TITAN_VAULT_KEY")
            for text in settings.vault_key.get_secret_value().split(",")
        ]
    if not settings.is_demo:
        raise Invalid("missing_vault_key", "set TITAN_VAULT_KEY to base64 of 32 random bytes")
    return [key_in(settings.data_directory / _KEY_FILE)]


def secret_of(text: str, variable: str) -> bytes:
    """The key that a variable holds in base64; Invalid, without the value, if it holds none."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raise Invalid("invalid_vault_key", f"{variable} is not base64") from None
    if len(key) != KEY_BYTES:
        raise Invalid("invalid_vault_key", f"{variable}: a key has {KEY_BYTES} bytes")
    return key


def key_in(path: Path) -> bytes:
    """The key in a file, which is made first if it is not there; Defect if it is damaged."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise Defect(f"{path} is damaged; `make clean` starts the demo afresh")
    return key


def _make_key(path: Path) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(AESGCM.generate_key(bit_length=KEY_BYTES * 8))
        file.flush()
        os.fsync(file.fileno())
    try:
        # Linking fails if a twin process was quicker: then its key is everybody's.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _id_of(key: bytes) -> UUID:
    """A key's id: part of its hash, from which the key cannot be had."""
    return UUID(bytes=hashlib.sha256(b"titan house key\0" + key).digest()[:16])


def _binding(purpose: str) -> Binding:
    return Binding(_HOUSE, purpose, "", "")
