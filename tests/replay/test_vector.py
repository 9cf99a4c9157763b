"""Offsets vectors, and the times and places that a person types."""

import pytest

from domain.errors import Invalid
from replay.vector import Place, as_json, later, parse_bound, places_of, record_count
from titan.replay_command import time_of

ONE, TWO = Place("account.opened.v1", 0), Place("account.opened.v1", 1)


def test_a_vector_counts_what_lies_between_and_never_less_than_nothing() -> None:
    assert record_count({ONE: 5}, {ONE: 7, TWO: 3}) == 5
    assert record_count({ONE: 9}, {ONE: 7}) == 0
    assert later({ONE: 5, TWO: 1}, {ONE: 7}) == {ONE: 7, TWO: 1}
    assert as_json({TWO: 3, ONE: 7}) == {"account.opened.v1": [7, 3]}
    assert places_of(["account.opened.v1"]) == [ONE, TWO, Place("account.opened.v1", 2)]


def test_a_bound_names_a_partition_of_the_map() -> None:
    assert parse_bound("account.opened.v1:1:42") == (TWO, 42)


@pytest.mark.parametrize(
    "typed",
    [
        *("", "account.opened.v1", "account.opened.v1:1", "account.opened.v1:1:-2", "x:0:0"),
        *("account.opened.v1:3:0", "account.opened.v1:0:9999999999999999999", "a b:0:0"),
    ],
)
def test_what_is_no_bound_is_refused(typed: str) -> None:
    with pytest.raises(Invalid):
        parse_bound(typed)


def test_a_time_needs_its_zone() -> None:
    assert time_of("2026-11-23T12:03:07+02:00") == time_of("2026-11-23T10:03:07Z")
    for typed in ("2026-11-23T10:03:07", "yesterday", "", "2026-13-01T00:00:00Z"):
        with pytest.raises(Invalid, match="zone"):
            time_of(typed)
