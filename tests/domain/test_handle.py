import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.handle import normalise_handle


@pytest.mark.parametrize(
    ("typed", "handle"),
    [
        ("alice", "alice"), ("@alice", "alice"), ("ALICE", "alice"), ("@Al.Ice_9-x", "al.ice_9-x"),
        ("ａｌｉｃｅ", "alice"), ("a1", "a1"), ("9lives", "9lives"), ("a" * 32, "a" * 32),
    ],
)  # fmt: skip
def test_one_person_one_spelling(typed: str, handle: str) -> None:
    assert normalise_handle(typed) == handle


@pytest.mark.parametrize(
    "typed",
    [
        "", "@", "a", "@@alice", "a" * 33, "a" * 300, ".alice", "-alice", "_alice", "al ice",
        "аlice", "alicе", "al\u200bice", "\u202ealice", "alice\u200d", "ali\u0301ce", "alıce",
        "alice\n", "../alice", "'; DROP TABLE handles", "{{7*7}}", "=cmd()", "alice\x00", "@alice@",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_handle_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as caught:
        normalise_handle(typed)
    assert caught.value.code == "invalid_handle"


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing_more(typed: str) -> None:
    try:
        handle = normalise_handle(typed)
    except Invalid:
        return
    assert normalise_handle(handle) == handle
    assert handle.isascii()
    assert unicodedata.normalize("NFKC", handle) == handle
