"""The owners' feeds in PostgreSQL."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from consumers.event_feed.decide import Subject, Told
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


class PostgresFeed:
    """The tables feed_*."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._day: date | None = None
        self._swept_s = clock.monotonic_s()

    @asynccontextmanager
    async def subjects(
        self, unit: Unit, begun: Mapping[UUID, date]
    ) -> AsyncIterator[dict[UUID, Subject]]:
        """Rows are locked in the order of their ids, so that no two batches wait in a circle."""
        connection = _connection(unit)
        await self._prepare(connection)
        ids = sorted(begun, key=lambda subject: subject.int)
        async with connection.transaction():
            await connection.execute(_BEGIN, ids, [begun[subject] for subject in ids])
            yield {row["subject"]: _subject(row) for row in await connection.fetch(_LOCK, ids)}

    async def tell(self, unit: Unit, subjects: Sequence[Subject], told: Sequence[Told]) -> None:
        """Two statements for the batch."""
        connection = _connection(unit)
        if subjects:
            rows = [
                (each.subject, each.client_id, each.taken, each.passed, json.dumps(_plain(each)))
                for each in subjects
            ]
            await connection.execute(_KEEP, rows)
        if told:
            await feed.append(
                connection,
                [
                    feed.Entry(
                        each.client_id, each.event.event_id, each.event.type, each.event.document
                    )
                    for each in told
                ],
                now=self._clock.now(),
            )

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


_BEGIN: Final = """
    INSERT INTO feed_subjects (subject, started_on)
    SELECT * FROM unnest($1::uuid[], $2::date[]) ON CONFLICT DO NOTHING
"""
_LOCK: Final = """
    SELECT subject, client_id, taken, passed, waiting FROM feed_subjects
    WHERE subject = ANY($1::uuid[]) ORDER BY subject FOR UPDATE
"""
_KEEP: Final = """
    UPDATE feed_subjects AS known
    SET client_id = said.client_id, taken = said.taken, passed = said.passed, waiting = said.waiting
    FROM unnest($1::feed_subject_row[]) AS said WHERE known.subject = said.subject
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


def _plain(subject: Subject) -> list[list[str]]:
    return [[str(event.event_id), event.type, event.document] for event in subject.waiting]


def _subject(row: asyncpg.Record) -> Subject:
    return Subject(
        row["subject"],
        row["client_id"],
        tuple(row["taken"]),
        tuple(row["passed"]),
        tuple(
            PublicEvent(UUID(event_id), type_, row["subject"], document)
            for event_id, type_, document in json.loads(row["waiting"])
        ),
    )
