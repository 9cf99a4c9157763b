"""Cases in PostgreSQL; each function runs in the caller's unit, under the lock of the person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from domain.kyc import OPEN, Case, CaseState, ReviewReason, Wanted
from runtime.database import Connection


class CaseRow(NamedTuple):
    """A case and its times."""

    case: Case
    submitted_at: datetime
    changed_at: datetime


async def read_case(connection: Connection, case_id: UUID) -> CaseRow | None:
    """A case as it stands."""
    return _row(await connection.fetchrow(f"{_READ} WHERE case_id = $1", case_id))


async def case_under_way(connection: Connection, person_id: UUID) -> Case | None:
    """The person's case that is not decided yet."""
    row = _row(await connection.fetchrow(_READ_UNDER_WAY, person_id, [*OPEN]))
    return None if row is None else row.case


async def newest_case(connection: Connection, person_id: UUID) -> CaseRow | None:
    """The person's last case, decided or not."""
    return _row(await connection.fetchrow(_READ_NEWEST, person_id))


async def queue(
    connection: Connection,
    state: CaseState,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[CaseRow]:
    """Cases in a state, the one that waits longest first, from behind `after` on."""
    since, case_id = after or (None, None)
    rows = await connection.fetch(_READ_QUEUE, state, since, case_id, limit)
    return [found for row in rows if (found := _row(row)) is not None]


async def write_case(connection: Connection, case: Case, *, at: datetime) -> None:
    """Add or replace a case; being submitted again puts it at the queue's end."""
    await connection.execute(
        _WRITE,
        case.case_id,
        case.person_id,
        case.wanted,
        case.state,
        case.version,
        case.proposed_by,
        case.reason,
        at,
    )


def _row(row: asyncpg.Record | None) -> CaseRow | None:
    if row is None:
        return None
    case_id, person_id, wanted, state, version, by, reason, submitted_at, changed_at = tuple(row)
    case = Case(
        case_id,
        person_id,
        Wanted(wanted),
        CaseState(state),
        version,
        by,
        None if reason is None else ReviewReason(reason),
    )
    return CaseRow(case, submitted_at, changed_at)


_COLUMNS: Final = (
    "case_id, person_id, wanted, state, version, proposed_by, reason, submitted_at, changed_at"
)
_READ: Final = f"SELECT {_COLUMNS} FROM kyc_cases"  # noqa: S608 - own words only
_READ_UNDER_WAY: Final = f"{_READ} WHERE person_id = $1 AND state = ANY($2::text[]) FOR UPDATE"
_READ_NEWEST: Final = f"{_READ} WHERE person_id = $1 ORDER BY submitted_at DESC LIMIT 1"
_READ_QUEUE: Final = (
    f"{_READ} WHERE state = $1 AND ($2::timestamptz IS NULL OR (submitted_at, case_id) > ($2, $3))"
    " ORDER BY submitted_at, case_id LIMIT $4"
)
_WRITE: Final = """
    INSERT INTO kyc_cases AS known (case_id, person_id, wanted, state, version, proposed_by, reason,
                                    submitted_at, changed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
    ON CONFLICT (case_id) DO UPDATE SET
        wanted = EXCLUDED.wanted,
        state = EXCLUDED.state,
        version = EXCLUDED.version,
        proposed_by = EXCLUDED.proposed_by,
        reason = EXCLUDED.reason,
        submitted_at = CASE EXCLUDED.state
            WHEN 'submitted' THEN EXCLUDED.submitted_at ELSE known.submitted_at END,
        changed_at = EXCLUDED.changed_at
"""
