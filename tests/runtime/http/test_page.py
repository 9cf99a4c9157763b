"""Pages and their cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.page import Cursors, page_of
from runtime.http.problem import ProblemError
from runtime.vault import Vault

CURSORS = Cursors(Vault(bytes(32)))

positions = st.lists(st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1), max_size=4)


@given(position=positions, scope=st.text(max_size=50))
def test_a_cursor_says_where_the_page_ended(position: list[str | int], scope: str) -> None:
    cursor = CURSORS.write(position, scope=scope)

    assert CURSORS.read(cursor, scope=scope) == position
    assert cursor.isascii()
    assert "=" not in cursor


@given(place=st.integers(0, 10**6), letter=st.sampled_from("Az09-_ =%\u00e9\n"))
def test_a_cursor_that_was_changed_is_refused(place: int, letter: str) -> None:
    cursor = CURSORS.write(["2026-11-23", 7], scope="payments")
    place %= len(cursor)
    for changed in (
        cursor[:place] + letter + cursor[place + 1 :],
        cursor[:place] + letter + cursor[place:],
        cursor[:place],
    ):
        if changed != cursor:
            with pytest.raises(ProblemError) as refused:
                CURSORS.read(changed, scope="payments")
            assert (refused.value.status, refused.value.code) == (400, "invalid_cursor")


def test_a_cursor_is_good_for_its_own_list_only() -> None:
    cursor = CURSORS.write([1], scope="payments|one client")

    with pytest.raises(ProblemError, match="invalid_cursor"):
        CURSORS.read(cursor, scope="payments|another client")


def test_a_cursor_does_not_show_what_is_in_it() -> None:
    assert "canary" not in CURSORS.write(["canary"], scope="payments")
    assert CURSORS.write([1], scope="s") != CURSORS.write([1], scope="s")


def test_a_cursor_of_another_key_is_refused() -> None:
    cursor = Cursors(Vault(b"x" * 32)).write([1], scope="payments")

    with pytest.raises(ProblemError, match="invalid_cursor"):
        CURSORS.read(cursor, scope="payments")


@given(count=st.integers(0, 12), limit=st.integers(1, 5))
def test_pages_in_a_row_show_every_row_once(count: int, limit: int) -> None:
    rows = list(range(count))
    shown: list[int] = []
    after = -1
    while True:
        found = [row for row in rows if row > after][: limit + 1]
        page = page_of(found, limit=limit, document=lambda row: row, cursor=str)
        shown += page.data
        assert page.has_more is (page.next_cursor is not None)
        if page.next_cursor is None:
            break
        after = int(page.next_cursor)

    assert shown == rows
