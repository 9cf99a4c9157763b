"""E-mail addresses and phone numbers in their one spelling, as blind indexes and handles need it.

What was typed is personal: no message here repeats it.
"""

import unicodedata
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from domain.errors import Invalid

EMAIL_CHARACTERS_MAX: Final = 254
"""Of an address in SMTP (RFC 5321)."""

_PHONE_CHARACTERS_MAX: Final = 64
_PHONE_REGION: Final = "US"
"""Where a number is taken to be that was typed without its country."""


def normalise_email(typed: str) -> str:
    """Trimmed, NFKC, case folded, the domain in IDNA; Invalid `invalid_email` if it is none.

    Does not ask whether the domain has mail. Dots and +tags stay: to most providers they matter.
    """
    if len(typed) > 2 * EMAIL_CHARACTERS_MAX:
        raise _no_email()
    text = unicodedata.normalize("NFKC", typed.strip()).casefold()
    try:
        found = validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError:
        raise _no_email() from None
    address = f"{found.local_part}@{found.ascii_domain}".casefold()
    if len(address) > EMAIL_CHARACTERS_MAX:
        raise _no_email()
    return address


def normalise_phone(typed: str) -> str:
    """E.164 (+14155550123); Invalid `invalid_phone` if nobody can have that number."""
    text = unicodedata.normalize("NFKC", typed.strip())
    if len(text) > _PHONE_CHARACTERS_MAX:
        raise _no_phone()
    try:
        number = phonenumbers.parse(text, _PHONE_REGION)
    except phonenumbers.NumberParseException:
        raise _no_phone() from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise _no_phone()
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _no_email() -> Invalid:
    return Invalid("invalid_email", "this is no e-mail address")


def _no_phone() -> Invalid:
    return Invalid("invalid_phone", "this is no phone number")
