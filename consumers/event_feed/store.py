"""The owners' feeds in PostgreSQL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from consumers.event_feed.decide import Subject, Told
from consumers.event_feed.ports import Decide
from projections import feed
from runtime import limits
from runtime.clock import Clock
from runtime.database import Connection
from runtime.unit import PostgresUnit, Unit
from schemas.public import PublicEvent

_SWEEP_S: Final = 10.0
"""Between two looks for subjects that no believable event can be about any more."""

_SWEEP_ROWS: Final = 10_000
"""Subjects that one look deletes."""

_ID_BYTES: Final = 16
_NONE: Final = "[]"


class _RacedError(Exception):
    """Somebody else has begun one of the subjects since it was looked for."""


class PostgresFeed:
    """The tables feed_*."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._day: date | None = None
        self._swept_s = clock.monotonic_s()

    async def change(self, unit: Unit, begun: Mapping[UUID, date], decide: Decide) -> None:
        """Up to four statements for the batch, and no more rows than subjects and events."""
        connection = _connection(unit)
        await self._prepare(connection)
        is_changed = False
        while not is_changed:
            with suppress(_RacedError):
                async with connection.transaction():
                    await self._change(connection, begun, decide)
                is_changed = True

    async def _change(
        self, connection: Connection, begun: Mapping[UUID, date], decide: Decide
    ) -> None:
        """Rows are locked and added in the order of their ids: no two batches wait in a circle."""
        ids = sorted(begun, key=_number)
        known = {row["subject"]: _subject(row) for row in await connection.fetch(_LOCK, ids)}
        unknown = {each: Subject(each) for each in ids if each not in known}
        subjects, told = decide({**known, **unknown})
        by_id = {each.subject: each for each in subjects}
        added = [by_id[each] for each in unknown if each in by_id]
        if added:
            days = [begun[each.subject] for each in added]
            status = await connection.execute(_ADD, *_columns(added), days)
            if status != f"INSERT 0 {len(added)}":
                raise _RacedError
        changed = [each for each in subjects if each.subject in known]
        if changed:
            await connection.execute(_KEEP, *_columns(changed))
        if told:
            await feed.append(connection, list(map(_entry, told)), now=self._clock.now())

    async def _prepare(self, connection: Connection) -> None:
        """Make room for today and tomorrow, and let go of what is too old."""
        today = self._clock.now().date()
        if today != self._day:
            await feed.keep_partitions(connection, today)
            self._day = today
        if self._clock.monotonic_s() - self._swept_s >= _SWEEP_S:
            self._swept_s = self._clock.monotonic_s()
            oldest = today - timedelta(days=limits.CHAIN_AGE_DAYS_MAX + 1)
            await connection.execute(_SWEEP, oldest, _SWEEP_ROWS)


_LOCK: Final = """
    SELECT subject, client_id, taken, passed, waiting FROM feed_subjects
    WHERE subject = ANY($1::uuid[]) ORDER BY subject FOR UPDATE
"""
_ADD: Final = """
    INSERT INTO feed_subjects (subject, client_id, taken, passed, waiting, started_on)
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::date[]
    ) ON CONFLICT DO NOTHING
"""
_KEEP: Final = """
    UPDATE feed_subjects AS known
    SET client_id = said.client_id, taken = said.taken, passed = said.passed, waiting = said.waiting
    FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[])
         AS said (subject, client_id, taken, passed, waiting)
    WHERE known.subject = said.subject
"""
_SWEEP: Final = """
    DELETE FROM feed_subjects WHERE subject IN (
        SELECT subject FROM feed_subjects WHERE started_on < $1
        ORDER BY started_on LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""


def _connection(unit: Unit) -> Connection:
    assert isinstance(unit, PostgresUnit)
    return unit.connection


def _number(subject: UUID) -> int:
    return subject.int


def _entry(told: Told) -> feed.Entry:
    event = told.event
    return feed.Entry(told.client_id, event.event_id, event.type, event.document)


def _columns(subjects: Sequence[Subject]) -> list[list[Any]]:
    """In the order of both statements."""
    return [
        [each.subject for each in subjects],
        [each.client_id for each in subjects],
        [b"".join([event_id.bytes for event_id in each.taken]) for each in subjects],
        [" ".join(each.passed) for each in subjects],
        [_waiting_text(each.waiting) for each in subjects],
    ]


def _waiting_text(waiting: Sequence[PublicEvent]) -> str:
    plain = [[str(event.event_id), event.type, event.document] for event in waiting]
    return json.dumps(plain) if plain else _NONE


def _subject(row: asyncpg.Record) -> Subject:
    subject, client_id, taken, passed, waiting = row
    ids = [taken[start : start + _ID_BYTES] for start in range(0, len(taken), _ID_BYTES)]
    return Subject(
        subject,
        client_id,
        tuple([UUID(bytes=each) for each in ids]),
        tuple(passed.split()),
        () if waiting == _NONE else tuple(_waiting(subject, waiting)),
    )


def _waiting(subject: UUID, text: str) -> Iterator[PublicEvent]:
    for event_id, type_, document in json.loads(text):
        yield PublicEvent(UUID(event_id), type_, subject, document)
