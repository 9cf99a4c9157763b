"""Codes of a device: asked for once it was verified, each good for once."""

from datetime import datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.auth.totp import new_totp_secret, step_of
from runtime.clock import SystemClock
from tests.producers.auth.log import events_of
from tests.producers.auth.place import PASSWORD, Auth, Person

STEP = timedelta(seconds=30)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> dict[str, timedelta]:
    """How much later it is than it is."""
    shift = {"by": timedelta()}
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda clock: now(clock) + shift["by"])
    return shift


def code(secret: str) -> str:
    return pyotp.TOTP(secret).at(int(SystemClock().now().timestamp()))


async def enrolled(auth: Auth) -> tuple[Person, str]:
    person = await auth.somebody()
    proposed = await person.auth.post("/auth/totp", password=PASSWORD)
    assert proposed.status == 200, proposed.body
    secret: str = proposed.document["secret"]
    assert person.email.partition("@")[0] in proposed.document["uri"]
    verified = await person.auth.post("/auth/totp/verify", totp_code=code(secret))
    assert verified.status == 204, verified.body
    return person, secret


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_a_verified_device_is_asked_for_a_code_that_is_good_for_once(
    auth: Auth, later: dict[str, timedelta]
) -> None:
    person, secret = await enrolled(auth)
    missing = await auth.login(person.email)
    assert (missing.status, missing.code) == (401, "totp_required")

    used = code(secret)
    again = await auth.login(person.email, totp_code=used)
    assert (again.status, again.code) == (401, "invalid_credentials")
    later["by"] = STEP * 2
    fresh = await auth.login(person.email, totp_code=code(secret))
    assert fresh.status == 200
    replayed = await auth.login(person.email, totp_code=code(secret))
    assert (replayed.status, replayed.code) == (401, "invalid_credentials")

    told = [name for name, _ in await events_of(auth, person.user_id, until="session.refused.v1")]
    assert "totp.enrolled.v1" in told


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_a_proposed_device_does_not_count_before_it_is_verified(auth: Auth) -> None:
    person = await auth.somebody()
    wrong = await person.auth.post("/auth/totp", password="not the password")
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    early = await person.auth.post("/auth/totp/verify", totp_code="123456")
    assert (early.status, early.code) == (409, "totp_not_proposed")

    proposed = (await person.auth.post("/auth/totp", password=PASSWORD)).document
    bad = f"{(int(code(proposed['secret'])) + 1) % 1_000_000:06}"
    refused = await person.auth.post("/auth/totp/verify", totp_code=bad)
    assert (refused.status, refused.code) == (401, "invalid_credentials")
    assert (await auth.login(person.email)).status == 200


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_a_device_is_removed_by_password_and_code(
    auth: Auth, later: dict[str, timedelta]
) -> None:
    person, secret = await enrolled(auth)
    second = await person.auth.post("/auth/totp", password=PASSWORD)
    assert (second.status, second.code) == (409, "totp_enrolled")
    used = await person.auth.post("/auth/totp/remove", password=PASSWORD, totp_code=code(secret))
    assert (used.status, used.code) == (401, "invalid_credentials")

    later["by"] = STEP * 2
    removed = await person.auth.post("/auth/totp/remove", password=PASSWORD, totp_code=code(secret))
    assert removed.status == 204
    told = [name for name, _ in await events_of(auth, person.user_id, until="totp.removed.v1")]
    assert "totp.enrolled.v1" in told
    assert (await auth.login(person.email)).status == 200
    none = await person.auth.post("/auth/totp/remove", password=PASSWORD, totp_code=code(secret))
    assert (none.status, none.code) == (409, "totp_not_enrolled")


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made aware below
    drift_s=st.integers(-120, 120),
    used=st.integers(-3, 3),
)
def test_a_code_counts_near_its_time_and_after_the_last_one_used(
    at: datetime, drift_s: int, used: int
) -> None:
    now = at.astimezone()
    secret = new_totp_secret()
    current = int(now.timestamp()) // 30
    shown = int(now.timestamp() + drift_s) // 30

    step = step_of(
        secret, pyotp.TOTP(secret).generate_otp(shown), now=now, used_step=current + used
    )

    if abs(shown - current) <= 1 and shown > current + used:
        assert step == shown
    else:
        assert step is None
