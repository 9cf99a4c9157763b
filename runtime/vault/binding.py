"""Where a sealed text belongs: bound to it, so that it opens nowhere else."""

from typing import Final, NamedTuple
from uuid import UUID

from domain.errors import Defect

_SEPARATOR: Final = "\0"
_SEPARATORS: Final = 3


class Binding(NamedTuple):
    """The place of a sealed text: table (or event), column (or field), row and whose it is.

    It travels with nothing: who opens the text has to know it. A text that was moved to another
    row, column or owner does not open.
    """

    table: str
    column: str
    row: str | UUID
    owner: str | UUID

    def encoded(self) -> bytes:
        """The place in bytes, another for each place. An id is the same as its text."""
        text = f"{self[0]}\0{self[1]}\0{self[2]}\0{self[3]}"
        if text.count(_SEPARATOR) != _SEPARATORS:
            # Else ("a", "b\0c") and ("a\0b", "c") would be one place.
            raise Defect("a binding holds no NUL")
        return text.encode()
