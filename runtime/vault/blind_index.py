"""Blind indexes: look-ups and uniqueness of values that are stored sealed.

HMAC-SHA-256 of the normalised value, with a key of its own for each column: equal values of one
column are equal, those of two columns cannot be compared. Deterministic, so it does leak equality;
and there are few enough phone numbers to try them all, so the key is as secret as the values.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from runtime.vault.envelope import KEY_BYTES

_COLUMN: Final = b"titan blind index\0"
_ROOT: Final = b"titan blind index root"


class BlindIndexes:
    """Makes blind indexes under one root key."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._keys: dict[str, bytes] = {}

    def of(self, column: str, normalised: str) -> str:
        """64 hex digits; `normalised` is the one spelling of the value (domain/contact.py)."""
        key = self._keys.get(column)
        if key is None:
            key = self._keys[column] = _expanded(self._root, column)
        return hmac.digest(key, normalised.encode(), "sha256").hex()


def root_from(house_key: bytes) -> bytes:
    """The root that the demo uses: derived from the house's key, and no way back."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=_ROOT).derive(house_key)


def _expanded(root: bytes, column: str) -> bytes:
    return HKDFExpand(SHA256(), KEY_BYTES, info=_COLUMN + column.encode()).derive(root)
