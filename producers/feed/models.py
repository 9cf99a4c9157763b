"""What the feed is asked, and what it answers."""

import re
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from runtime.http.page import Digits
from runtime.http.problem import ProblemDocument
from schemas.public import PUBLIC_TYPES

EVENTS_MAX: Final = 1_000
"""Events of one answer."""

EVENTS_DEFAULT: Final = 100
"""Events of one answer when the client does not say."""

_CURSOR_CHARACTERS_MAX: Final = 1_024
_TYPES_CHARACTERS_MAX: Final = 1_024
_FAMILY = re.compile(r"[a-z]+\.\Z")


def _types_only(text: str) -> str:
    if not types_of(text):
        known = ", ".join(sorted(PUBLIC_TYPES))
        raise ValueError(f"each is a type, or a family like `payment.`; types are {known}")
    return text


def types_of(text: str) -> list[str]:
    """The types that a list of types and families names; none if a part of it names none."""
    named: set[str] = set()
    for part in text.split(","):
        is_family = _FAMILY.match(part) is not None
        found = {
            each for each in PUBLIC_TYPES if each == part or (is_family and each.startswith(part))
        }
        if not found:
            return []
        named |= found
    return sorted(named)


class FeedQuery(BaseModel):
    """The query parameters of the feed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    after: str | None = Field(
        None,
        max_length=_CURSOR_CHARACTERS_MAX,
        description="the next_cursor of the answer before; without it: from the oldest event kept",
    )
    types: (
        Annotated[str, Field(max_length=_TYPES_CHARACTERS_MAX), AfterValidator(_types_only)] | None
    ) = Field(
        None, description="only these, separated by commas: whole types, or a family (`payment.`)"
    )
    limit: Annotated[Digits, Field(ge=1, le=EVENTS_MAX, description="events in one answer")] = (
        EVENTS_DEFAULT
    )


class FeedEvent(BaseModel):
    """An event, as webhooks tell it too. `data` has the fields of the type's schema that are told.

    An `id` never comes twice after one cursor; `subject` is the payment or request it is about.
    """

    model_config = ConfigDict(extra="forbid")

    id: UUID
    type: str
    occurred_at: datetime
    subject: UUID
    data: dict[str, Any]


class FeedAnswer(BaseModel):
    """Events in order. `next_cursor` is always there: ask after it for what comes next."""

    model_config = ConfigDict(extra="forbid")

    data: list[FeedEvent]
    has_more: bool
    next_cursor: str


class ExpiredProblem(ProblemDocument):
    """A problem, and the cursor of the oldest event that can still be pulled."""

    oldest_cursor: str
