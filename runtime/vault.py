"""The vault: text about people is sealed before it leaves the process, and opened only in answers.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce and a 16-byte tag. The purpose is bound as
associated data, so a sealed display name does not open as a description.
"""

import base64
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Defect, Invalid
from runtime.settings import Settings

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"
_KEY_FILE: Final = "vault.key"


class Vault:
    """Seals and opens text under one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise Invalid("invalid_vault_key", f"the vault's key has {_KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def seal(self, text: str, purpose: str) -> str:
        """URL-safe base64 of version, nonce, ciphertext and tag; each call differs."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), purpose.encode())
        return base64.urlsafe_b64encode(_VERSION + nonce + sealed).decode()

    def open(self, sealed: str, purpose: str) -> str:
        """The text; Invalid, in the same words whatever is wrong, if it does not open."""
        try:
            raw = base64.urlsafe_b64decode(sealed)
            if raw[:1] != _VERSION:
                raise ValueError
            nonce, ciphertext = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
            return self._cipher.decrypt(nonce, ciphertext, purpose.encode()).decode()
        except (ValueError, InvalidTag):
            raise Invalid("sealed_text", "the sealed text does not open") from None


def load_vault(settings: Settings) -> Vault:
    """The vault of this place.

    The demo makes a key of its own in the data directory, readable by its owner only; anywhere
    else a missing key is an error, because text sealed under a lost key is lost.
    """
    if settings.vault_key is not None:
        try:
            key = base64.b64decode(settings.vault_key.get_secret_value(), validate=True)
        except ValueError:
            raise Invalid("invalid_vault_key", "TITAN_VAULT_KEY is not base64") from None
        return Vault(key)
    if not settings.is_demo:
        raise Invalid("missing_vault_key", "set TITAN_VAULT_KEY to base64 of 32 random bytes")
    return Vault(_demo_key(settings.data_directory / _KEY_FILE))


def _demo_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(AESGCM.generate_key(bit_length=_KEY_BYTES * 8))
        try:
            # Linking fails if a twin process was quicker: then its key is everybody's.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise Defect(f"{path} is damaged; `make clean` starts the demo afresh")
    return key
