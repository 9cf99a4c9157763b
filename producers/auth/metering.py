"""How often one may be wrong: pure decisions on meters, which PostgreSQL keeps (meters.py).

A try is charged BEFORE its password is looked at, so that fifty at once are fifty tries; a right
one is refunded. An address drains like a bucket. An account is blocked, for longer each time; but
not for whoever calls from an address where it has signed in before, which has a meter of its own.
So a stranger can keep others out, and not the owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Final, NamedTuple

from producers.auth import limits


class MeterKind(StrEnum):
    """What a meter counts."""

    ADDRESS = "address"
    """Wrong tries from one address."""
    REGISTRATION = "registration"
    """Registrations from one address."""
    SIGN_IN = "sign-in"
    """Tries for one account from one address, the right ones too: a loop of them is a flood."""
    ACCOUNT = "account"
    """Wrong tries for one account, from addresses it is not known at."""
    KNOWN = "known"
    """Wrong tries for one account from one address; it is known once it has signed in there."""


_BUCKETS: Final = {
    MeterKind.ADDRESS: (limits.ADDRESS_FAILURES_MAX, limits.ADDRESS_FAILURE_S),
    MeterKind.REGISTRATION: (limits.REGISTRATIONS_MAX, limits.REGISTRATION_S),
    MeterKind.SIGN_IN: (limits.SIGN_INS_MAX, limits.SIGN_IN_S),
}


class MeterKey(NamedTuple):
    """A meter's name: what it counts, and a keyed hash of whom."""

    kind: MeterKind
    whom: str

    @property
    def text(self) -> str:
        """As it stands in the table."""
        return f"{self.kind}:{self.whom}"


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter. `drained_at` is when a bucket is empty again; of a known one, that it is known."""

    drained_at: datetime | None = None
    failures: int = 0
    blocked_until: datetime | None = None
    touched_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """What became of a try: the meters as they stand now, or how long to wait.

    `refused_by` is the meter that said no. `blocked_until` and `failures` tell of a block that
    this try has begun.
    """

    meters: Mapping[MeterKey, Meter]
    retry_after_s: int | None = None
    refused_by: MeterKey | None = None
    blocked_until: datetime | None = None
    failures: int = 0


def charge(meters: Mapping[MeterKey, Meter], now: datetime) -> Charged:
    """Count one try on these meters; nothing is counted if one of them says no."""
    counted = _counted(meters, now)
    wait_s, longest = max((_wait_s(key, meters[key], now), key) for key in counted)
    if wait_s > 0:
        return Charged({}, retry_after_s=ceil(wait_s), refused_by=longest)
    charged = {key: _charged(key, meters[key], now) for key in counted}
    blocks = [meter for meter in charged.values() if meter.blocked_until is not None]
    if not blocks:
        return Charged(charged)
    return Charged(charged, blocked_until=blocks[0].blocked_until, failures=blocks[0].failures)


def refund(meters: Mapping[MeterKey, Meter], now: datetime) -> dict[MeterKey, Meter]:
    """Take a charge back: the try was right. The account begins anew, and is known here.

    Where it was known before, what strangers have tried still counts against them.
    """
    refunded: dict[MeterKey, Meter] = {}
    counted = _counted(meters, now)
    for key, meter in meters.items():
        match key.kind:
            case MeterKind.SIGN_IN:
                continue
            case MeterKind.ACCOUNT if key not in counted:
                continue
            case MeterKind.ADDRESS | MeterKind.REGISTRATION:
                _, each_s = _BUCKETS[key.kind]
                drained_at = (meter.drained_at or now) - timedelta(seconds=each_s)
                refunded[key] = replace(meter, drained_at=max(drained_at, now), touched_at=now)
            case MeterKind.ACCOUNT:
                refunded[key] = Meter(touched_at=now)
            case MeterKind.KNOWN:
                known_until = now + timedelta(seconds=limits.KNOWN_ADDRESS_S)
                refunded[key] = Meter(drained_at=known_until, touched_at=now)
    return refunded


def _counted(meters: Mapping[MeterKey, Meter], now: datetime) -> list[MeterKey]:
    """Of an account's two meters one counts: that of the address, if it is known there."""
    here = any(
        key.kind is MeterKind.KNOWN and meter.drained_at is not None and meter.drained_at > now
        for key, meter in meters.items()
    )
    passed_over = MeterKind.ACCOUNT if here else MeterKind.KNOWN
    return [key for key in meters if key.kind is not passed_over]


def _wait_s(key: MeterKey, meter: Meter, now: datetime) -> float:
    """How long from now until this meter lets a further try pass; at most 0 if it does."""
    if key.kind not in _BUCKETS:
        return 0.0 if meter.blocked_until is None else (meter.blocked_until - now).total_seconds()
    size, each_s = _BUCKETS[key.kind]
    level_s = (_drained_at(meter, now) - now).total_seconds()
    return level_s - (size - 1) * each_s


def _charged(key: MeterKey, meter: Meter, now: datetime) -> Meter:
    if key.kind in _BUCKETS:
        _, each_s = _BUCKETS[key.kind]
        drained_at = _drained_at(meter, now) + timedelta(seconds=each_s)
        return replace(meter, drained_at=drained_at, touched_at=now)
    failures = meter.failures + 1
    forgotten = timedelta(seconds=limits.FAILURES_FORGOTTEN_S)
    if meter.touched_at is not None and now - meter.touched_at > forgotten:
        failures = 1
    blocked_until = None
    if failures >= limits.ACCOUNT_FAILURES_MAX:
        # The power is bounded before it is taken: failures may become many.
        doublings = min(failures - limits.ACCOUNT_FAILURES_MAX, 16)
        block_s = min(limits.BLOCK_S * 2**doublings, limits.BLOCK_S_MAX)
        blocked_until = now + timedelta(seconds=block_s)
    return replace(meter, failures=failures, blocked_until=blocked_until, touched_at=now)


def _drained_at(meter: Meter, now: datetime) -> datetime:
    return now if meter.drained_at is None else max(meter.drained_at, now)
