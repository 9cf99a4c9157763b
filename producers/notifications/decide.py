"""What may be set, and how rows are told. Pure."""

import re
from datetime import time
from functools import cache
from typing import Final
from uuid import UUID
from zoneinfo import available_timezones

from domain.notification import Choice, Preferences, QuietHours, Subject, Way
from producers.notifications.devices import Device
from producers.notifications.inbox import InboxRow
from producers.notifications.models import (
    DeviceAnswer,
    NotificationAnswer,
    PreferencesAnswer,
    PreferencesBody,
    QuietHoursAnswer,
)
from producers.notifications.templates import Words
from runtime.http.problem import Fault, ProblemError

_TOKENS: Final = {
    "apns": re.compile(r"[0-9a-f]{16,200}\Z"),
    "fcm": re.compile(r"[A-Za-z0-9_:.-]{16,4096}\Z"),
}


def token_of(platform: str, typed: str) -> str:
    """A device's token in its one spelling; ProblemError 422, without it, if it is none."""
    token = typed.lower() if platform == "apns" else typed
    if not _TOKENS[platform].match(token):
        fault = Fault("/token", "is not a token of this platform", "invalid_token")
        raise ProblemError(422, "invalid_token", fault.message, faults=[fault])
    return token


def preferences_of(body: PreferencesBody) -> Preferences:
    """The preferences that somebody asks for; ProblemError 422 if a time zone is none."""
    if body.time_zone not in _time_zones():
        fault = Fault(
            "/time_zone", "is not a name of the IANA time zone database", "unknown_time_zone"
        )
        raise ProblemError(422, "unknown_time_zone", fault.message, faults=[fault])
    quiet = body.quiet_hours
    if quiet is not None and quiet.begin == quiet.end:
        fault = Fault("/quiet_hours", "begin and end at one time: turn pushes off instead")
        raise ProblemError(422, "endless_quiet_hours", fault.message, faults=[fault])
    return Preferences(
        locale=body.locale,
        time_zone=body.time_zone,
        quiet_hours=None
        if quiet is None
        else QuietHours(time.fromisoformat(quiet.begin), time.fromisoformat(quiet.end)),
        push_detail=body.push_detail,
        email_detail=body.email_detail,
        choices=frozenset(
            Choice(subject, way, is_on=is_on)
            for subject, ways in body.subjects.items()
            for way, is_on in ways.items()
        ),
    )


def preferences_answer(preferences: Preferences) -> PreferencesAnswer:
    """Preferences as they take effect, defaults included."""
    quiet = preferences.quiet_hours
    return PreferencesAnswer(
        locale=preferences.locale,
        time_zone=preferences.time_zone,
        quiet_hours=None
        if quiet is None
        else QuietHoursAnswer(begin=f"{quiet.begin:%H:%M}", end=f"{quiet.end:%H:%M}"),
        push_detail=preferences.push_detail,
        email_detail=preferences.email_detail,
        subjects={
            subject: {way: preferences.wants(subject, way) for way in Way} for subject in Subject
        },
    )


def device_answer(device: Device) -> DeviceAnswer:
    """A device, without its token."""
    return DeviceAnswer(
        id=device.device_id,
        platform="apns" if device.platform == "apns" else "fcm",
        registered_at=device.registered_at,
    )


def notification_answer(row: InboxRow, words: Words) -> NotificationAnswer:
    """A notification and what it says."""
    return NotificationAnswer(
        id=row.notification_id,
        number=row.number,
        subject=Subject(row.subject),
        title=words.title,
        body=words.body,
        account_id=row.account_id,
        payment_id=row.payment_id,
        amount=row.amount_minor,
        currency=row.currency,
        code=row.code,
        count=row.count,
        occurred_at=row.occurred_at,
        created_at=row.planned_at,
        read_at=row.read_at,
    )


def account_of(typed: str | None) -> UUID | None:
    """The account that a list is narrowed to; ProblemError 422 if it is no id."""
    if typed is None:
        return None
    try:
        return UUID(typed)
    except ValueError:
        raise ProblemError(422, "invalid_body", "the body does not fit; see errors") from None


@cache
def _time_zones() -> frozenset[str]:
    """Every name that this machine knows; what `ZoneInfo` is asked for is one of them."""
    return frozenset(available_timezones())
