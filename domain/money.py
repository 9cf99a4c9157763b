"""Money: whole numbers of a currency's minor unit, never a float.

Codes and exponents follow ISO 4217, from the maintained table of the package `iso4217`.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from iso4217 import Currency as Iso4217

from domain.errors import Invalid

AMOUNT_MINOR_MAX: Final = 10**12
"""The largest amount of one payment, in minor units (USD: ten billion dollars)."""

EXPONENTS: Final[dict[str, int]] = {
    currency.code: currency.exponent for currency in Iso4217 if currency.exponent is not None
}
"""Decimal places of each currency that money can be held in (USD 2, JPY 0, BHD 3)."""

_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,4})?", re.ASCII)


def is_currency(code: str) -> bool:
    """Whether `code` is an upper-case ISO 4217 code with a minor unit."""
    return code in EXPONENTS


def parse_amount(text: str, currency: str) -> int:
    """Minor units of a plain decimal such as "10.00"; Invalid if it does not fit the currency."""
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise Invalid("unknown_currency", "the currency is not an ISO 4217 code")
    if not _AMOUNT.fullmatch(text):
        raise Invalid("invalid_amount", "write the amount as digits, such as 10 or 10.00")
    try:
        scaled = Decimal(text).scaleb(exponent)
    except InvalidOperation as error:
        raise Invalid("invalid_amount", "the amount is not a number") from error
    amount_minor = int(scaled)
    if amount_minor != scaled:
        raise Invalid("invalid_amount", f"{currency} has {exponent} decimal places")
    if not 1 <= amount_minor <= AMOUNT_MINOR_MAX:
        raise Invalid("invalid_amount", "the amount is outside what one payment may move")
    return amount_minor


def format_amount(amount_minor: int, currency: str) -> str:
    """The amount as people read it: 1000 USD cents are "10.00 USD"."""
    exponent = EXPONENTS[currency]
    sign = "-" if amount_minor < 0 else ""
    whole, part = divmod(abs(amount_minor), 10**exponent)
    decimals = f".{part:0{exponent}d}" if exponent else ""
    return f"{sign}{whole:,}{decimals} {currency}"
