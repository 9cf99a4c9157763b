"""Lists in pages: a strict limit, and cursors that only this house can write."""

import json
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request

from domain.errors import Invalid
from runtime import limits
from runtime.http.problem import ProblemError
from runtime.vault import Vault

Item = TypeVar("Item")
Document = TypeVar("Document")

_CURSOR_CHARACTERS_MAX: Final = 1_024
_CURSOR = re.compile(r"[A-Za-z0-9_-]+\Z")
_DIGITS = re.compile(r"[0-9]{1,9}\Z")


def _digits_only(value: object) -> object:
    # pydantic would also read "1_0", " 5 " and "5.0" as numbers.
    if isinstance(value, str) and not _DIGITS.match(value):
        raise ValueError("not a number")
    return value


Digits = Annotated[int, BeforeValidator(_digits_only)]
"""A whole number in a query: digits, and nothing that pydantic would read as one too."""

Limit = Annotated[Digits, Field(ge=1, le=limits.PAGE_ROWS_MAX, description="rows in a page")]
"""The `limit` of a list: digits only, 1 to PAGE_ROWS_MAX."""


def refuse_repeats(request: Request) -> None:
    """A route's dependency: ProblemError 422 if a query parameter comes twice."""
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) != len(set(names)):
        raise ProblemError(422, "invalid_parameter", "a query parameter comes twice")


class PageQuery(BaseModel):
    """The query parameters that every list has; a list adds its own in a subclass."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    limit: Limit = limits.PAGE_ROWS_DEFAULT
    cursor: str | None = Field(None, max_length=_CURSOR_CHARACTERS_MAX)


class Page(BaseModel, Generic[Document]):
    """One page of a list; `next_cursor` is None on the last one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: list[Document]
    has_more: bool
    next_cursor: str | None


class Cursors:
    """Writes and reads cursors. A cursor is good for one list of one client, filters included."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def write(self, position: Sequence[str | int], *, scope: str) -> str:
        """The cursor of a position (the sort key of a page's last row)."""
        text = json.dumps(list(position), separators=(",", ":"))
        return self._vault.seal(text, _purpose(scope)).rstrip("=")

    def read(self, cursor: str, *, scope: str) -> list[Any]:
        """The position in a cursor; ProblemError 400 if it is not ours, unchanged, of this list."""
        try:
            if not _CURSOR.match(cursor):
                raise Invalid("invalid_cursor", "not the cursor's alphabet")
            text = self._vault.open(cursor + "=" * (-len(cursor) % 4), _purpose(scope))
        except Invalid:
            raise ProblemError(
                400, "invalid_cursor", "send a next_cursor of this very list, unchanged"
            ) from None
        position: list[Any] = json.loads(text)
        return position


def page_of(
    rows: Sequence[Item],
    *,
    limit: int,
    document: Callable[[Item], Document],
    cursor: Callable[[Item], str],
) -> Page[Document]:
    """A page from up to `limit + 1` rows: the row too many says that there are more."""
    shown = rows[:limit]
    has_more = len(rows) > limit
    return Page(
        data=[document(row) for row in shown],
        has_more=has_more,
        next_cursor=cursor(shown[-1]) if has_more else None,
    )


def _purpose(scope: str) -> str:
    # A scope holds what callers typed, of any length and with any character.
    return f"cursor:{sha256(scope.encode()).hexdigest()}"
