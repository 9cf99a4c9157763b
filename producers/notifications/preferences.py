"""Preferences in PostgreSQL: how somebody wants to be told. The stage that plans reads them too."""

from dataclasses import replace
from typing import Final

from domain.client import person_of
from domain.notification import Choice, Preferences, Subject, Way
from runtime import recipients
from runtime.database import Connection


async def read_preferences(connection: Connection, client_id: str) -> Preferences:
    """How this client wants to be told; the defaults if it has never said."""
    row = await connection.fetchrow(_READ, client_id)
    return Preferences() if row is None else recipients.preferences_of(row)


async def write_preferences(
    connection: Connection, client_id: str, preferences: Preferences
) -> None:
    """From now on like this, whole. What is planned already is asked again before it leaves."""
    await connection.execute(
        _WRITE, client_id, person_of(client_id), *recipients.columns_of(preferences)
    )


async def stop_mail(connection: Connection, client_id: str, subject: Subject) -> None:
    """No more e-mails on a subject, and all else as it was.

    Whoever was sent one has a row, unless they were forgotten since: then none is made again.
    """
    async with connection.transaction():
        row = await connection.fetchrow(f"{_READ} FOR UPDATE", client_id)
        if row is None:
            return
        before = recipients.preferences_of(row)
        off = Choice(subject, Way.EMAIL, is_on=False)
        kept = {
            choice
            for choice in before.choices
            if (choice.subject, choice.way) != (subject, Way.EMAIL)
        }
        after = replace(before, choices=frozenset({*kept, off}))
        await write_preferences(connection, client_id, after)


_COLUMNS: Final = recipients.COLUMNS

_READ: Final = f"SELECT {_COLUMNS} FROM notification_recipients WHERE client_id = $1"  # noqa: S608 - own words only
_WRITE: Final = (
    f"INSERT INTO notification_recipients (client_id, person_id, {_COLUMNS})"  # noqa: S608 - own words only
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (client_id) DO UPDATE SET "
    + ", ".join(f"{name} = EXCLUDED.{name}" for name in _COLUMNS.split(", "))
)
