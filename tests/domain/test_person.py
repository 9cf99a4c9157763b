import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.person import date_of_birth, mask_ssn, normalise_legal_name, normalise_ssn

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize("typed", ["123-45-6789", "123 45 6789", "123456789"])
def test_a_social_security_number_has_one_spelling(typed: str) -> None:
    assert normalise_ssn(typed) == "123456789"
    assert mask_ssn(normalise_ssn(typed)) == "***-**-6789"


@pytest.mark.parametrize(
    "typed",
    [
        *("", "12345678", "1234567890", "123-456-789", "000-12-3456", "666-12-3456"),
        *("900-12-3456", "123-00-4567", "123-45-0000", "１２３456789", "123456789\n"),
    ],
)
def test_a_number_that_was_never_issued_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as caught:
        normalise_ssn(typed)
    assert caught.value.code == "invalid_ssn"
    assert typed == "" or typed not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("2008-03-01", None),
        ("2008-03-02", "age_not_served"),
        ("2027-01-01", "age_not_served"),
        ("1896-03-01", None),
        ("1895-03-01", "age_not_served"),
        ("2000-02-30", "invalid_date_of_birth"),
        ("20000228", "invalid_date_of_birth"),
        ("2000-W01-1", "invalid_date_of_birth"),
        ("2000-02-28T00:00", "invalid_date_of_birth"),
        ("", "invalid_date_of_birth"),
    ],
)
def test_a_date_of_birth_is_a_date_of_somebody_of_full_age(typed: str, code: str | None) -> None:
    if code is None:
        assert date_of_birth(typed, today=TODAY).isoformat() == typed
        return
    with pytest.raises(Invalid) as caught:
        date_of_birth(typed, today=TODAY)
    assert caught.value.code == code


def test_born_on_a_leap_day_is_of_age_on_the_day_after() -> None:
    born = "2008-02-29"
    with pytest.raises(Invalid):
        date_of_birth(born, today=date(2026, 2, 28))
    assert date_of_birth(born, today=date(2026, 3, 1)) == date(2008, 2, 29)


@given(st.text(max_size=100))
def test_a_legal_name_has_one_normal_form(typed: str) -> None:
    with contextlib.suppress(Invalid):
        name = normalise_legal_name(typed)
        assert normalise_legal_name(name) == name


def test_a_legal_name_that_hides_something_is_refused() -> None:
    assert normalise_legal_name("  Ada   Lovelace ") == "Ada Lovelace"
    with pytest.raises(Invalid) as caught:
        normalise_legal_name("Ada\u202eLovelace")
    assert caught.value.code == "invalid_legal_name"
    assert "Lovelace" not in str(caught.value)
