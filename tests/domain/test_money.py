import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.money import AMOUNT_MINOR_MAX, EXPONENTS, format_amount, is_currency, parse_amount


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("10.00", "USD", 1000),
        ("10", "USD", 1000),
        ("0.01", "USD", 1),
        ("5", "JPY", 5),
        ("1.234", "BHD", 1234),
    ],
)
def test_reads_what_people_write(text: str, currency: str, amount_minor: int) -> None:
    assert parse_amount(text, currency) == amount_minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("0", "USD"), ("0.00", "USD"), ("-1", "USD"), ("1.001", "USD"), ("0.5", "JPY"),
        ("1.2345", "BHD"), ("1e3", "USD"), ("1,00", "USD"), ("0x10", "USD"), ("NaN", "USD"),
        ("١٠", "USD"), ("１００", "USD"), (" 1", "USD"), ("1 ", "USD"), ("", "USD"), (".5", "USD"),
        ("1.", "USD"), ("+1", "USD"), ("10000000000.01", "USD"), ("9" * 40, "USD"),
        ("1", "usd"), ("1", "XXX"), ("1", "XAU"), ("1", ""), ("1\n", "USD"),
    ],
)  # fmt: skip
def test_refuses_what_is_not_an_amount(text: str, currency: str) -> None:
    with pytest.raises(Invalid):
        parse_amount(text, currency)


@given(st.integers(1, AMOUNT_MINOR_MAX), st.sampled_from(sorted(EXPONENTS)))
def test_what_is_shown_is_read_back_the_same(amount_minor: int, currency: str) -> None:
    shown = format_amount(amount_minor, currency).replace(",", "").removesuffix(f" {currency}")
    assert parse_amount(shown, currency) == amount_minor


def test_a_debt_is_shown_with_its_sign() -> None:
    assert format_amount(-5, "USD") == "-0.05 USD"


def test_precious_metals_and_test_codes_hold_no_money() -> None:
    assert is_currency("USD")
    assert not any(is_currency(code) for code in ("XAU", "XTS", "XXX", "usd", "US"))
