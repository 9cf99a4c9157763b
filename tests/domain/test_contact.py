"""One spelling of an address and of a number, however it was typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.client import client_of, person_of
from domain.contact import normalise_email, normalise_phone
from domain.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "spelling"),
    [
        ("alice@example.com", "alice@example.com"),
        ("  Alice@Example.COM \n", "alice@example.com"),
        ("\uff41lice@example.com", "alice@example.com"),
        ("alice@bücher.example", "alice@xn--bcher-kva.example"),
        ("alice@XN--BCHER-KVA.example", "alice@xn--bcher-kva.example"),
        ("a.l.i.c.e+tag@example.com", "a.l.i.c.e+tag@example.com"),
        ("straße@example.com", "strasse@example.com"),
    ],
)
def test_an_address_has_one_spelling(typed: str, spelling: str) -> None:
    assert normalise_email(typed) == spelling
    assert normalise_email(spelling) == spelling


@pytest.mark.parametrize(
    "typed",
    [
        *("", "alice", "@example.com", "alice@", "a@b", "alice@exam ple.com", "a@@example.com"),
        *("alice@[127.0.0.1]", "Alice <alice@example.com>", "a\0@example.com", "a@-x.com"),
        *(f"{'a' * 65}@example.com", f"a@{'b' * 300}.com", "a@example.com, b@example.com"),
        "a" * 100_000 + "@example.com",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalise_email(typed)
    assert refused.value.code == "invalid_email"
    assert str(refused.value) == "invalid_email: this is no e-mail address"


@pytest.mark.parametrize(
    ("typed", "spelling"),
    [
        ("+1 415 555 2671", "+14155552671"),
        ("(415) 555-2671", "+14155552671"),
        ("+14155552671", "+14155552671"),
        ("+44 20 7031 3000", "+442070313000"),
        ("tel:+1-415-555-2671", "+14155552671"),
    ],
)
def test_a_number_has_one_spelling(typed: str, spelling: str) -> None:
    assert normalise_phone(typed) == spelling
    assert normalise_phone(spelling) == spelling


@pytest.mark.parametrize(
    "typed", ["", "1", "alice", "+1 415", "+999 123456789", "+14155552671 ext. 5", "0" * 1_000]
)
def test_what_is_no_number_is_refused_without_being_repeated(typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalise_phone(typed)
    assert str(refused.value) == "invalid_phone: this is no phone number"


@given(st.text(max_size=100))
def test_whatever_is_typed_has_a_spelling_that_stays_or_is_refused(typed: str) -> None:
    for normalise in (normalise_email, normalise_phone):
        try:
            spelling = normalise(typed)
        except Invalid:
            continue
        assert normalise(spelling) == spelling


@given(st.uuids())
def test_a_person_is_known_by_their_client_id(person_id: object) -> None:
    assert person_of(client_of(person_id)) == person_id  # type: ignore[arg-type] # a UUID it is


@pytest.mark.parametrize(
    "client_id",
    [
        *("demo", "client:1", "user:", "user:alice", "user:D02A0000-0000-4000-8000-000000000001"),
        "user:{d02a0000-0000-4000-8000-000000000001}",
        "client:d02a0000-0000-4000-8000-000000000001",
    ],
)
def test_nobody_else_is_a_person(client_id: str) -> None:
    assert person_of(client_id) is None
