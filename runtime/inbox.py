"""The inbox: what each step has decided about each event, so that nothing is decided twice."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import asyncpg

from domain.errors import Unavailable
from runtime import limits
from runtime.database import Database
from runtime.unit import MemoryUnit, PostgresUnit, Unit
from schemas.event import Delivered

_MIDNIGHT: Final = timedelta(hours=1)
"""Nearer to midnight than this, an event is kept under both dates: more than a batch lasts, and
than clocks differ."""


class Stored(NamedTuple):
    """One inbox row: the event that was decided and the outcome, as it goes on its topic."""

    idempotency_id: UUID
    event_id: UUID
    outcome_topic: str | None
    outcome: str | None
    decided_at: datetime


class Row(NamedTuple):
    """What was decided, and the dates whose partitions keep it."""

    days: frozenset[date]
    stored: Stored


def days_of(item: Delivered[Any], near: Collection[date]) -> frozenset[date]:
    """The dates under which an event's decision is kept; `near` is what `days_near` says of now.

    The key refuses a second decision under the same date only. What was caused has one date for
    ever. An event that begins a chain may come again dated anew, before or after midnight, with
    other contents in another partition, and be decided by another process at the same moment: so
    that the two meet, it is kept under the date of its deciding as well.
    """
    if item.envelope.causation_id is not None:
        return frozenset((item.started_on,))
    return frozenset((item.started_on, *near))


def days_near(now: datetime) -> frozenset[date]:
    """The date, and around midnight both: processes that decide at one moment share one of them."""
    return frozenset(((now - _MIDNIGHT).date(), (now + _MIDNIGHT).date()))


class DecidedBefore(Unavailable):
    """An outcome is stored already, by an earlier delivery or by a twin: look, and try again."""


class Inbox(Protocol):
    """Outcomes by step and idempotency id. Reads and writes belong to the caller's unit."""

    async def prepare(self, days: set[date], today: date) -> None:
        """Make room for these dates, and drop what is too old; before the unit begins."""
        ...

    async def read(
        self, unit: Unit, step: str, delivered: Sequence[Delivered[Any]], near: Collection[date]
    ) -> dict[UUID, Stored]:
        """The stored outcomes of those events that the step has handled before.

        `near` is what `days_near` says of now.
        """
        ...

    async def write(self, unit: Unit, step: str, rows: Sequence[Row]) -> None:
        """Store outcomes; DecidedBefore, and the unit is lost, if one is stored already."""
        ...


class PostgresInbox:
    """The inbox in the same PostgreSQL as the effects."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._prepared: set[date] = set()

    async def prepare(self, days: set[date], today: date) -> None:
        """Make room for these dates, for today and for tomorrow."""
        missing = (days | {today, today + timedelta(days=1)}) - self._prepared
        if not missing:
            return
        async with self._database.connection() as connection:
            for day in sorted(missing):
                await connection.execute("SELECT inbox_ensure_partition($1)", day)
            oldest = today - timedelta(days=limits.CHAIN_AGE_DAYS_MAX + 1)
            await connection.execute("SELECT inbox_drop_before($1)", oldest)
        self._prepared |= missing

    async def read(
        self, unit: Unit, step: str, delivered: Sequence[Delivered[Any]], near: Collection[date]
    ) -> dict[UUID, Stored]:
        """One query for the whole batch.

        An event that begins a chain may be a client's retry from after midnight, dated anew, and
        either may be read first: for those the days before and after are searched as well, and
        the days of now, under which a twin has just kept what the key refuses here.
        """
        days = [item.started_on for item in delivered]
        since, until = min(days), max(days)
        if any(item.envelope.causation_id is None for item in delivered):
            since, until = since - timedelta(days=1), until + timedelta(days=1)
        rows = await _postgres(unit).connection.fetch(
            """
            SELECT idempotency_id, event_id, outcome_topic, outcome, decided_at
            FROM inbox
            WHERE idempotency_id = ANY($1::uuid[]) AND step = $2
              AND (started_on BETWEEN $3 AND $4 OR started_on = ANY($5::date[]))
            """,
            [item.envelope.idempotency_id for item in delivered],
            step,
            since,
            until,
            list(near),
        )
        return {row["idempotency_id"]: Stored(*row) for row in rows}

    async def write(self, unit: Unit, step: str, rows: Sequence[Row]) -> None:
        """One statement for the whole batch: COPY is cheaper a row, but is one more round trip."""
        connection = _postgres(unit).connection
        records = [
            (
                row.stored.idempotency_id,
                step,
                day,
                row.stored.event_id,
                row.stored.outcome_topic,
                row.stored.outcome,
                row.stored.decided_at,
            )
            for row in rows
            for day in row.days
        ]
        try:
            if len(records) > _INSERT_ROWS_MAX:
                await connection.copy_records_to_table("inbox", records=records, columns=_COLUMNS)
            else:
                await connection.execute(_INSERT, *zip(*records, strict=True))
        except asyncpg.UniqueViolationError:
            raise DecidedBefore("an event of the batch was decided before") from None


_COLUMNS: Final = (
    "idempotency_id",
    "step",
    "started_on",
    "event_id",
    "outcome_topic",
    "outcome",
    "decided_at",
)
_INSERT: Final = """
    INSERT INTO inbox (
        idempotency_id, step, started_on, event_id, outcome_topic, outcome, decided_at
    )
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::date[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[]
    )"""
_INSERT_ROWS_MAX: Final = 32


class MemoryInbox:
    """The inbox in memory, for stages over memory ports."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, UUID], Stored] = {}

    def snapshot(self) -> object:
        """A copy of all rows."""
        return dict(self._rows)

    def restore(self, snapshot: object) -> None:
        """Put a copy back."""
        assert isinstance(snapshot, dict)
        self._rows = dict(snapshot)

    async def prepare(self, days: set[date], today: date) -> None:
        """Memory needs no partitions."""

    async def read(
        self,
        unit: Unit,
        step: str,
        delivered: Sequence[Delivered[Any]],
        near: Collection[date],  # noqa: ARG002 - memory has no dates
    ) -> dict[UUID, Stored]:
        """The stored outcomes of those events that the step has handled before."""
        _memory(unit)
        ids = (item.envelope.idempotency_id for item in delivered)
        return {id_: self._rows[step, id_] for id_ in ids if (step, id_) in self._rows}

    async def write(self, unit: Unit, step: str, rows: Sequence[Row]) -> None:
        """Store outcomes."""
        _memory(unit).enlist(self)
        for row in rows:
            key = (step, row.stored.idempotency_id)
            if key in self._rows:
                raise DecidedBefore("an event of the batch was decided before")
            self._rows[key] = row.stored


def _postgres(unit: Unit) -> PostgresUnit:
    assert isinstance(unit, PostgresUnit)
    return unit


def _memory(unit: Unit) -> MemoryUnit:
    assert isinstance(unit, MemoryUnit)
    return unit
