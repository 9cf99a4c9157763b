import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.handle import normalise_handle
from runtime.contact_handles import claimed_tag, handle_of, kind_of
from runtime.vault import Vault
from schemas.person import ContactKind

VAULT, OTHER = Vault(bytes(32)), Vault(b"x" * 32)


@pytest.mark.parametrize(
    ("spellings", "kind"),
    [
        ((" Ada@Example.com", "ada@EXAMPLE.COM ", "ａda@example.com"), ContactKind.EMAIL),
        (("+1 415 555 2671", "+14155552671", " +1 (415) 555-2671"), ContactKind.PHONE),
    ],
)
def test_an_address_is_one_handle_however_it_is_typed(
    spellings: tuple[str, ...], kind: ContactKind
) -> None:
    [handle] = {handle_of(typed, VAULT) for typed in spellings}
    assert normalise_handle(handle) == handle
    assert kind_of(handle) is kind
    assert len(handle) == 32
    assert handle_of(spellings[0], OTHER) != handle


@given(st.from_regex(r"@?[a-zA-Z0-9][a-zA-Z0-9._-]{1,30}", fullmatch=True))
def test_a_tag_is_what_it_was(typed: str) -> None:
    assert handle_of(typed, VAULT) == normalise_handle(typed)


@pytest.mark.parametrize("typed", ["a@b@c", "@@", "+12", "ada@", "x" * 200, "+1 415 555 26712222"])
def test_what_is_none_is_refused_and_not_repeated(typed: str) -> None:
    with pytest.raises(Invalid) as caught:
        handle_of(typed, VAULT)
    assert typed not in str(caught.value)


@pytest.mark.parametrize("typed", ["email.abc", "@Phone.1", "resolve", "Requests"])
def test_names_that_are_kept_back_are_nobodys_tag(typed: str) -> None:
    with pytest.raises(Invalid) as caught:
        claimed_tag(typed)
    assert caught.value.code == "handle_reserved"
