"""Handles: a person's public alias that names an account.

Two spellings that a person cannot tell apart must not name two accounts. Unicode's compatible
forms (UAX #15, NFKC) and case are folded; whatever is then not plain ASCII is refused, which
takes homoglyphs, zero-width and right-to-left characters with it.
"""

import re
import unicodedata
from typing import Final

from domain.errors import Invalid

HANDLE_LENGTH_MAX: Final = 32
HANDLE_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{1,31}$"

# What a person may type before folding: longer input is refused unread (folding may expand it).
_TYPED_LENGTH_MAX: Final = 128
_HANDLE = re.compile(HANDLE_PATTERN.removesuffix("$") + r"\Z", re.ASCII)


def normalise_handle(typed: str) -> str:
    """The one spelling of a handle: no leading "@", NFKC, case folded; Invalid if it is none."""
    if len(typed) > _TYPED_LENGTH_MAX:
        raise Invalid("invalid_handle", "a handle has 2 to 32 characters")
    folded = unicodedata.normalize("NFKC", typed).casefold().removeprefix("@")
    if not _HANDLE.match(folded):
        raise Invalid(
            "invalid_handle",
            "a handle has 2 to 32 characters of a-z, 0-9, '.', '_' and '-', and begins with "
            "a letter or a digit",
        )
    return folded
