"""Secrets that are shown once and kept as a hash: refresh tokens, client secrets, API keys.

Each has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.
"""

import base64
import hashlib
import os
import re
from typing import Final, NamedTuple

_SECRET_BYTES: Final = 32
_PREFIX_CHARACTERS: Final = 8

REFRESH_MARK: Final = "titan_rt_"
CLIENT_SECRET_MARK: Final = "titan_cs_"  # noqa: S105 - what all of them begin with
API_KEY_MARK: Final = "titan_ak_"

_SECRET = re.compile(r"titan_(?:rt|cs|ak)_[A-Za-z0-9_-]{43}\Z")


class Secret(NamedTuple):
    """A secret and what is kept of it."""

    text: str
    digest: bytes

    @property
    def prefix(self) -> str:
        """By which its owner tells it from others; far too short to guess the rest."""
        mark_length = len(REFRESH_MARK)
        return self.text[: mark_length + _PREFIX_CHARACTERS]


def new_secret(mark: str) -> Secret:
    """A secret of the kind that the mark names."""
    text = mark + base64.urlsafe_b64encode(os.urandom(_SECRET_BYTES)).rstrip(b"=").decode()
    return Secret(text, digest_of(text))


def digest_of(text: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(text.encode()).digest()


def is_secret(text: str, mark: str) -> bool:
    """Whether a text has the shape of such a secret: nothing else is looked up."""
    return text.startswith(mark) and _SECRET.match(text) is not None
