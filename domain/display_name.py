"""Display names: what people see beside a handle. Any script, but nothing that hides or reorders.

Unicode's composed form (UAX #15, NFC), so that equal names are equal bytes. Control, format,
private and separator characters are refused: an override or a zero-width character in a name can
make one payee look like another.
"""

import unicodedata
from typing import Final

from domain.errors import Invalid

DISPLAY_NAME_CHARACTERS_MAX: Final = 80

_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def normalise_display_name(typed: str) -> str:
    """The name in NFC, trimmed; Invalid if it is empty, too long or hides things."""
    if len(typed) > 2 * DISPLAY_NAME_CHARACTERS_MAX:
        raise Invalid("invalid_display_name", "a display name has 1 to 80 characters")
    name = unicodedata.normalize("NFC", typed).strip()
    if not 1 <= len(name) <= DISPLAY_NAME_CHARACTERS_MAX:
        raise Invalid("invalid_display_name", "a display name has 1 to 80 characters")
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in name):
        raise Invalid(
            "invalid_display_name", "a display name has no control, format or private characters"
        )
    return name
