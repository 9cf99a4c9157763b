"""Codes of a device (TOTP, RFC 6238): six digits, for thirty seconds, each good for once."""

from datetime import datetime
from typing import Final

import pyotp

_STEP_S: Final = 30
_NEIGHBOURS: Final = 1
"""Steps before and after the current one that count too: clocks differ, and people type slowly."""

_ISSUER: Final = "Titan"


def new_totp_secret() -> str:
    """160 random bits in base32."""
    return pyotp.random_base32()


def totp_uri(secret: str, *, name: str) -> str:
    """What the device scans."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=_ISSUER)


def step_of(secret: str, code: str, *, now: datetime, used_step: int) -> int | None:
    """The step that a code is of; None if it is of none that counts now and was not used."""
    device = pyotp.TOTP(secret)
    current = int(now.timestamp()) // _STEP_S
    for step in range(current - _NEIGHBOURS, current + _NEIGHBOURS + 1):
        if step > used_step and pyotp.utils.strings_equal(device.generate_otp(step), code):
            return step
    return None
