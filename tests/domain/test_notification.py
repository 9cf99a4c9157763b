from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notification import (
    Channel,
    Choice,
    Detail,
    Preferences,
    QuietHours,
    Subject,
    Way,
    mask_name,
)

NIGHT = QuietHours(time(22), time(7))
NOON = QuietHours(time(12), time(13, 30))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("quiet", "zone", "now", "end"),
    [
        (NIGHT, "UTC", "2026-01-10T21:59:59", "2026-01-10T21:59:59"),
        (NIGHT, "UTC", "2026-01-10T22:00:00", "2026-01-11T07:00:00"),
        (NIGHT, "UTC", "2026-01-11T06:59:59", "2026-01-11T07:00:00"),
        (NIGHT, "UTC", "2026-01-11T07:00:00", "2026-01-11T07:00:00"),
        (NOON, "UTC", "2026-01-10T12:30:00", "2026-01-10T13:30:00"),
        (NOON, "UTC", "2026-01-10T13:30:00", "2026-01-10T13:30:00"),
        # By the clock where the person is.
        (NIGHT, "America/New_York", "2026-01-11T03:30:00", "2026-01-11T12:00:00"),
        (NIGHT, "Asia/Kolkata", "2026-01-10T17:00:00", "2026-01-11T01:30:00"),
        # In Berlin the clock leaps from 2 to 3 on 2026-03-29, and back on 2026-10-25.
        (NIGHT, "Europe/Berlin", "2026-03-28T21:30:00", "2026-03-29T05:00:00"),
        (NIGHT, "Europe/Berlin", "2026-10-24T20:30:00", "2026-10-25T06:00:00"),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(
    quiet: QuietHours, zone: str, now: str, end: str
) -> None:
    assert quiet.end_of(utc(now), zone) == utc(end)


@given(
    begin=st.times(),
    end=st.times(),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
    now=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
)
def test_nothing_waits_longer_than_a_day_and_an_hour_and_never_backwards(
    begin: time, end: time, zone: str, now: datetime
) -> None:
    until = QuietHours(begin, end).end_of(now, zone)
    assert now <= until <= now + timedelta(hours=25)


def test_what_is_about_security_does_not_wait() -> None:
    preferences = Preferences(quiet_hours=NIGHT)
    now = utc("2026-01-10T23:00:00")
    assert preferences.due_at(Subject.PASSWORD_CHANGED, now) == now
    assert preferences.due_at(Subject.PAYMENT_SENT, now) == utc("2026-01-11T07:00:00")


def test_a_choice_counts_before_its_default() -> None:
    preferences = Preferences(
        choices=frozenset(
            {
                Choice(Subject.PAYMENT_SENT, Way.PUSH, is_on=False),
                Choice(Subject.PAYMENT_SENT, Way.EMAIL, is_on=True),
            }
        )
    )
    assert not preferences.wants(Subject.PAYMENT_SENT, Way.PUSH)
    assert preferences.wants(Subject.PAYMENT_SENT, Way.EMAIL)
    assert preferences.wants(Subject.PAYMENT_SENT, Way.IN_APP)
    assert not preferences.wants(Subject.PAYMENT_RECEIVED, Way.EMAIL)


def test_nothing_but_the_subject_leaves_the_house_unless_it_is_chosen() -> None:
    for channel in Channel:
        assert Preferences().detail(channel) is Detail.SUBJECT


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("Ada Lovelace", "A*** L***"),
        ("Åsa", "Å***"),
        ("a b c d e", "a*** b*** c***"),
        ("", ""),
    ],
)
def test_of_a_name_only_the_first_letters_are_told(name: str, masked: str) -> None:
    assert mask_name(name) == masked
