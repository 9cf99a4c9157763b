"""What Titan is told of a person: legal name, date of birth, social security number.

All of it is personal: a message here never repeats what was typed.
"""

import re
from datetime import date
from typing import Final

from domain.display_name import normalise_display_name
from domain.errors import Invalid

AGE_YEARS_MIN: Final = 18
AGE_YEARS_MAX: Final = 130

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_SSN = re.compile(r"([0-9]{3})[- ]?([0-9]{2})[- ]?([0-9]{4})\Z", re.ASCII)
_AREAS_NEVER_ISSUED: Final = frozenset({"000", "666"})


def normalise_legal_name(typed: str) -> str:
    """The name in Unicode's composed form, trimmed; Invalid as a display name would be."""
    try:
        name = normalise_display_name(typed)
    except Invalid:
        raise Invalid(
            "invalid_legal_name", "a legal name has 1 to 80 characters, none of which is hidden"
        ) from None
    return " ".join(name.split())


def date_of_birth(typed: str, *, today: date) -> date:
    """The date in an ISO 8601 text; Invalid if it is none, or nobody of full age was born then."""
    try:
        if not _DATE.match(typed):
            raise ValueError
        born = date.fromisoformat(typed)
    except ValueError:
        raise Invalid("invalid_date_of_birth", "send a date as YYYY-MM-DD") from None
    birthday_is_to_come = (today.month, today.day) < (born.month, born.day)
    years = today.year - born.year - birthday_is_to_come
    if not AGE_YEARS_MIN <= years <= AGE_YEARS_MAX:
        raise Invalid(
            "age_not_served", f"Titan is for people of {AGE_YEARS_MIN} to {AGE_YEARS_MAX} years"
        )
    return born


def normalise_ssn(typed: str) -> str:
    """Nine digits; Invalid if they were never issued as a social security number (SSA)."""
    match = _SSN.match(typed)
    if match is None:
        raise Invalid("invalid_ssn", "a social security number has nine digits")
    area, group, serial = match.groups()
    if area in _AREAS_NEVER_ISSUED or area >= "900" or group == "00" or serial == "0000":
        raise Invalid("invalid_ssn", "no such social security number is issued")
    return area + group + serial


def mask_ssn(ssn: str) -> str:
    """A social security number as it may be shown: its last four digits."""
    return f"***-**-{ssn[-4:]}"
