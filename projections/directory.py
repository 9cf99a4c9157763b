"""The read model `directory_handles`: which account each handle names, and what became of requests.

The fold is a join: an entry is whole in the event that made it, and of two the higher version
stands, so the handle.* topics may be read in any order and twice. `directory_changes` keeps one
row a request: the history of a handle, and the outcome that a waiting client asks for.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg

from domain.directory import HandleEntry, HandleTarget, newer
from runtime.changes import notify
from runtime.database import Connection
from schemas.handle import (
    HandleClaimed,
    HandleClaimRefused,
    HandlePorted,
    HandleRefusalCode,
    HandleReleased,
    entry_of,
)

CHANNEL: Final = "directory_changed"
"""Told at the commit of each batch that decided requests: a hint for waiters, without content."""

HANDLE_COLUMNS: Final = (
    *("handle", "version", "client_id"),
    *("account_id", "currency", "display_name_sealed", "requested_at"),
)
CHANGE_COLUMNS: Final = (
    *("request_id", "requested_at", "client_id", "fingerprint", "handle"),
    *("kind", "version", "account_id", "code"),
)

DirectoryFact = HandleClaimed | HandlePorted | HandleReleased | HandleClaimRefused


class ChangeKind(StrEnum):
    """What the directory did about a request."""

    CLAIMED = "claimed"
    PORTED = "ported"
    RELEASED = "released"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """The outcome of one request; `version` is the handle's from then on, None if refused."""

    request_id: UUID
    requested_at: datetime
    client_id: str
    fingerprint: str
    handle: str
    kind: ChangeKind
    version: int | None = None
    account_id: UUID | None = None
    code: HandleRefusalCode | None = None


def fold(state: HandleEntry | None, event: DirectoryFact) -> HandleEntry | None:
    """A handle after one more event about it; None if it was never claimed."""
    if isinstance(event, HandleClaimRefused):
        return state
    return newer(state, entry_of(event))


def fold_all(
    before: Mapping[str, HandleEntry], events: Iterable[DirectoryFact]
) -> dict[str, HandleEntry]:
    """These handles after more events about them and others."""
    after = dict(before)
    for event in events:
        entry = fold(after.get(event.handle), event)
        if entry is not None:
            after[event.handle] = entry
    return after


def change_of(event: DirectoryFact) -> DirectoryChange:
    """What an event says about the request that it answers."""
    version, account_id, code = None, None, None
    match event:
        case HandleClaimed():
            kind, version, account_id = ChangeKind.CLAIMED, event.version, event.account_id
        case HandlePorted():
            kind, version, account_id = ChangeKind.PORTED, event.version, event.account_id
        case HandleReleased():
            kind, version = ChangeKind.RELEASED, event.version
        case HandleClaimRefused():
            kind, code = ChangeKind.REFUSED, event.code
    return DirectoryChange(
        event.request_id,
        event.requested_at,
        event.client_id,
        event.fingerprint,
        event.handle,
        kind,
        version,
        account_id,
        code,
    )


_ENTRY: Final = (
    "SELECT handle, version, client_id, account_id, currency, display_name_sealed, requested_at"
    " FROM directory_handles WHERE handle = ANY($1::text[])"
)


async def read_handles(connection: Connection, handles: Collection[str]) -> dict[str, HandleEntry]:
    """These handles as they stand, released ones included; those never claimed are absent."""
    return _entries(await connection.fetch(_ENTRY, list(handles)))


async def handles_of(connection: Connection, client_id: str) -> list[HandleEntry]:
    """The handles that name accounts of a client now, in their own order."""
    rows = await connection.fetch(_ENTRY_OF_CLIENT, client_id)
    return list(_entries(rows).values())


async def lock_handles(connection: Connection, handles: Collection[str]) -> dict[str, HandleEntry]:
    """As `read_handles`, and nobody else changes them until the transaction ends.

    Locked in the order of handles, so that two batches do not wait for each other in a circle.
    Does not lock what is not there: see `write_decided`.
    """
    return _entries(await connection.fetch(f"{_ENTRY} ORDER BY handle FOR UPDATE", list(handles)))


async def write_decided(
    connection: Connection, *, before: Mapping[str, HandleEntry], facts: Sequence[DirectoryFact]
) -> None:
    """Write what was decided over the handles `before`, which this transaction has locked.

    A handle that was not there and that another transaction claims meanwhile breaks the primary
    key: the whole unit is tried again, and then sees the winner.
    """
    after = fold_all(before, facts)
    fresh = sorted(after.keys() - before.keys())
    changed = [handle for handle in before if after[handle] is not before[handle]]
    if fresh:
        await connection.execute(_INSERT, *_columns(after[handle] for handle in fresh))
    if changed:
        await connection.execute(_UPDATE, *_columns(after[handle] for handle in changed))
    await connection.execute(_INSERT_CHANGES, *_change_columns(map(change_of, facts)))
    await notify(connection, CHANNEL)


async def read_changes(
    connection: Connection, request_ids: Collection[UUID]
) -> dict[UUID, DirectoryChange]:
    """What became of these requests, whoever asked; those not decided yet are absent."""
    rows = await connection.fetch(
        f"{_CHANGE} WHERE request_id = ANY($1::uuid[])", list(request_ids)
    )
    return {row["request_id"]: _change(row) for row in rows}


async def read_history(
    connection: Connection,
    handle: str,
    *,
    client_id: str,
    before_version: int | None,
    limit: int,
) -> list[DirectoryChange]:
    """Up to `limit` changes of a handle that this client asked for, the newest first.

    Does not show what others did with it before or after. The next page begins before the last
    version of this one.
    """
    rows = await connection.fetch(
        f"{_CHANGE} WHERE handle = $1 AND client_id = $2 AND version < $3"
        " ORDER BY version DESC LIMIT $4",
        handle,
        client_id,
        _VERSION_END if before_version is None else before_version,
        limit,
    )
    return [_change(row) for row in rows]


_ENTRY_OF_CLIENT: Final = (
    "SELECT handle, version, client_id, account_id, currency, display_name_sealed, requested_at"
    " FROM directory_handles WHERE client_id = $1 AND account_id IS NOT NULL ORDER BY handle"
)
_VERSION_END: Final = 2**31
"""Above any version (schemas/event.py)."""

_COLUMNS: Final = (
    "SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::uuid[], $5::text[],"
    " $6::text[], $7::timestamptz[])"
    " AS e (handle, version, client_id, account_id, currency, display_name_sealed, requested_at)"
)
_INSERT: Final = (
    "INSERT INTO directory_handles (handle, version, client_id, account_id, currency,"
    f" display_name_sealed, requested_at) {_COLUMNS}"
)
_UPDATE: Final = f"""
    WITH e AS ({_COLUMNS})
    UPDATE directory_handles AS h
    SET version = e.version, client_id = e.client_id, account_id = e.account_id,
        currency = e.currency, display_name_sealed = e.display_name_sealed,
        requested_at = e.requested_at
    FROM e WHERE h.handle = e.handle
"""  # noqa: S608 - own words only
_CHANGE: Final = (
    "SELECT request_id, requested_at, client_id, fingerprint, handle, kind, version, account_id,"
    " code FROM directory_changes"
)
_INSERT_CHANGES: Final = (
    "INSERT INTO directory_changes (request_id, requested_at, client_id, fingerprint, handle,"
    " kind, version, account_id, code)"
    " SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],"
    " $6::text[], $7::bigint[], $8::uuid[], $9::text[])"
)


def _entries(rows: Iterable[asyncpg.Record]) -> dict[str, HandleEntry]:
    return {
        handle: HandleEntry(
            handle,
            version,
            client_id,
            None if account_id is None else HandleTarget(account_id, currency, display_name_sealed),
            requested_at,
        )
        for (
            handle,
            version,
            client_id,
            account_id,
            currency,
            display_name_sealed,
            requested_at,
        ) in rows
    }


def handle_row(entry: HandleEntry) -> tuple[Any, ...]:
    """An entry in the order of `HANDLE_COLUMNS`."""
    target = entry.target
    named: tuple[object, ...] = (None, None, None)
    if target is not None:
        named = (target.account_id, target.currency, target.display_name_sealed)
    return (entry.handle, entry.version, entry.client_id, *named, entry.requested_at)


def change_row(change: DirectoryChange) -> tuple[Any, ...]:
    """A change in the order of `CHANGE_COLUMNS`."""
    return (
        change.request_id,
        change.requested_at,
        change.client_id,
        change.fingerprint,
        change.handle,
        change.kind.value,
        change.version,
        change.account_id,
        None if change.code is None else change.code.value,
    )


def _columns(entries: Iterable[HandleEntry]) -> list[list[object]]:
    return [list(column) for column in zip(*map(handle_row, entries), strict=True)]


def _change(row: asyncpg.Record) -> DirectoryChange:
    code = row["code"]
    return DirectoryChange(
        row["request_id"],
        row["requested_at"],
        row["client_id"],
        row["fingerprint"],
        row["handle"],
        ChangeKind(row["kind"]),
        row["version"],
        row["account_id"],
        None if code is None else HandleRefusalCode(code),
    )


def _change_columns(changes: Iterable[DirectoryChange]) -> list[list[object]]:
    return [list(column) for column in zip(*map(change_row, changes), strict=True)]
