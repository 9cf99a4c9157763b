"""How people want to be told of things: the columns of their preferences.

People set them at the notifications' edge; the stage that plans reads them too, and neither
imports the other.
"""

from datetime import time
from typing import Any, Final

import asyncpg

from domain.notification import Choice, Detail, Preferences, QuietHours, Subject, Way

CHANNEL: Final = "notifications_changed"
"""Told at the commit of each batch that planned notifications: a hint, without content."""

COLUMNS: Final = "locale, time_zone, quiet_begin, quiet_end, push_detail, email_detail, choices"
"""The columns that `preferences_of` reads, of the table notification_recipients."""

_MARKS: Final = {"on": True, "off": False}


def preferences_of(row: asyncpg.Record) -> Preferences:
    """The preferences in a row; what it leaves open has the default."""
    begin: time | None = row["quiet_begin"]
    end: time | None = row["quiet_end"]
    given: dict[str, Any] = {
        "locale": row["locale"],
        "time_zone": row["time_zone"],
        "quiet_hours": None if begin is None or end is None else QuietHours(begin, end),
        "push_detail": row["push_detail"] and Detail(row["push_detail"]),
        "email_detail": row["email_detail"] and Detail(row["email_detail"]),
        "choices": frozenset(_choice(text) for text in row["choices"]),
    }
    return Preferences(**{name: value for name, value in given.items() if value is not None})


def columns_of(preferences: Preferences) -> tuple[object, ...]:
    """Preferences in the order of COLUMNS."""
    quiet = preferences.quiet_hours
    return (
        preferences.locale,
        preferences.time_zone,
        None if quiet is None else quiet.begin,
        None if quiet is None else quiet.end,
        preferences.push_detail,
        preferences.email_detail,
        sorted(
            f"{choice.subject} {choice.way} {'on' if choice.is_on else 'off'}"
            for choice in preferences.choices
        ),
    )


def _choice(text: str) -> Choice:
    subject, way, mark = text.split()
    return Choice(Subject(subject), Way(way), is_on=_MARKS[mark])
