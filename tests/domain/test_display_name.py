import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.display_name import DISPLAY_NAME_CHARACTERS_MAX, normalise_display_name
from domain.errors import Invalid


@pytest.mark.parametrize(
    "name", ["A", "Alice", "Erin O'Connor", "山田 ゆき", "نادية نصر", "\U0001f98a Fox", "x" * 80]
)
def test_any_script_is_welcome(name: str) -> None:
    assert normalise_display_name(f"  {name} ") == name


def test_equal_names_become_equal_text() -> None:
    assert normalise_display_name("Zo\u0065\u0308") == normalise_display_name("Zo\u00eb")


@given(typed=st.text(max_size=200))
def test_what_is_let_through_is_short_composed_and_hides_nothing(typed: str) -> None:
    try:
        name = normalise_display_name(typed)
    except Invalid:
        return
    assert 1 <= len(name) <= DISPLAY_NAME_CHARACTERS_MAX
    assert normalise_display_name(name) == name
    assert all(unicodedata.category(character)[0] != "C" for character in name)
