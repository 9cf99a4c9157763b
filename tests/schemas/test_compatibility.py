"""Goal: a change that would break old events is told, a change that adds is not.

Method: plant each kind of change into an event and compare its schemas.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from schemas.compatibility import breaks


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Fewer(StrEnum):
    RED = "red"


class More(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


BEFORE: dict[str, Any] = {
    "payment_id": (str, ...),
    "amount_minor": (Annotated[int, Field(ge=1, le=100)], ...),
    "colour": (Colour, ...),
    "kind": (Literal["a", "b"], "a"),
    "note": (str | None, None),
    "tags": (list[Annotated[str, Field(max_length=8)]], []),
}


def schema(**changes: Any) -> dict[str, Any]:
    fields = {name: field for name, field in (BEFORE | changes).items() if field is not None}
    model: type[BaseModel] = create_model("Something", **fields)
    return model.model_json_schema()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reason": (str | None, None)},
        {"count": (int, 0)},
        {"amount_minor": (Annotated[int, Field(ge=0, le=1000)], ...)},
        {"amount_minor": (float, ...)},
        {"colour": (More, ...)},
        {"kind": (Literal["a", "b", "c"], "a")},
        {"payment_id": (str, "none")},
        {"payment_id": (str | int, ...)},
        {"tags": (list[Annotated[str, Field(max_length=16)]], [])},
    ],
    ids=str,
)
def test_what_adds_breaks_nothing(changes: dict[str, Any]) -> None:
    assert breaks(schema(), schema(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"note": None}, "value.note: was removed or renamed"),
        ({"remark": (str, ...)}, "value.remark: is required now"),
        ({"note": (str | None, ...)}, "value.note: is required now"),
        ({"note": (str, "")}, "value.note: null is no longer accepted"),
        ({"payment_id": (int, ...)}, "value.payment_id: string is no longer accepted"),
        ({"amount_minor": (Annotated[int, Field(ge=2, le=100)], ...)}, "minimum rose to 2"),
        ({"amount_minor": (Annotated[int, Field(ge=1, le=99)], ...)}, "maximum fell to 99"),
        ({"payment_id": (Annotated[str, Field(max_length=36)], ...)}, "maxLength fell to 36"),
        ({"payment_id": (Annotated[str, Field(pattern="^x$")], ...)}, "pattern changed to ^x$"),
        ({"colour": (Fewer, ...)}, "value.colour: the value blue is no longer accepted"),
        ({"kind": (Literal["a"], "a")}, "value.kind: the value b is no longer accepted"),
        ({"payment_id": (Colour, ...)}, "value.payment_id: only listed values are accepted"),
        ({"tags": (list[Annotated[str, Field(max_length=4)]], [])}, "value.tags[]: maxLength"),
    ],
    ids=str,
)
def test_what_takes_away_is_told(changes: dict[str, Any], told: str) -> None:
    faults = breaks(schema(), schema(**changes))
    assert any(told in fault for fault in faults), faults


def test_refusing_unknown_fields_is_told() -> None:
    strict = {**schema(), "additionalProperties": False}
    assert breaks(schema(), strict) == ["value: unknown fields are refused now"]


def test_every_break_is_told_at_once() -> None:
    assert len(breaks(schema(), schema(note=None, colour=(Fewer, ...), remark=(str, ...)))) == 3
