"""Programs and what they show: the tables `auth_clients` and `auth_credentials`.

A program has scopes, each of its credentials at most these; a token has at most its credential's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from domain.errors import Invalid
from producers.auth import limits
from producers.auth.events import Act, message, standing_message
from producers.auth.secret import API_KEY_MARK, CLIENT_SECRET_MARK, Secret, digest_of, new_secret
from runtime.database import Connection
from runtime.outbox import put
from schemas.credentials import (
    CredentialKind,
    CredentialsCreated,
    CredentialsRefused,
    CredentialsRevoked,
)
from schemas.standing import Standing, session_principal
from schemas.wire import Message

PROGRAM_PREFIX: Final = "client:"
CLIENT_ID: Final = re.compile(r"client:[a-z][a-z0-9-]{0,47}\Z")

_MARKS: Final = {
    CredentialKind.SECRET: CLIENT_SECRET_MARK,
    CredentialKind.API_KEY: API_KEY_MARK,
}

_COLUMNS: Final = (
    "credential_id, client_id, kind, prefix, scopes, created_at, last_used_at, revoked_at"
)

_READ: Final = (
    "SELECT client_id, scopes, created_at, revoked_at FROM auth_clients WHERE client_id = $1"
)
_LOCK: Final = _READ + " FOR UPDATE"

_USE: Final = """
    SELECT credential_id, auth_credentials.scopes, last_used_at
    FROM auth_credentials JOIN auth_clients AS client USING (client_id)
    WHERE secret_hash = $1 AND kind = 'secret' AND client_id = $2
      AND auth_credentials.revoked_at IS NULL AND client.revoked_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A client of the API."""

    client_id: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Credential:
    """Something that a program may show."""

    credential_id: UUID
    client_id: str
    kind: CredentialKind
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


async def add_program(
    connection: Connection, client_id: str, *, scopes: Sequence[str], at: datetime
) -> bool:
    """A new program; False if the id is one's already."""
    done = await connection.execute(
        "INSERT INTO auth_clients (client_id, scopes, created_at) VALUES ($1, $2, $3) "
        "ON CONFLICT DO NOTHING",
        client_id,
        sorted(scopes),
        at,
    )
    return str(done) == "INSERT 0 1"


async def add_credential(
    connection: Connection,
    act: Act,
    client_id: str,
    *,
    credential_id: UUID,
    kind: CredentialKind,
    scopes: Sequence[str],
    changed_by: str,
) -> tuple[Credential, Secret] | None:
    """A new credential and its secret, told on the log; None if there is no such living program.

    Invalid `scope_not_allowed` if the program has not all of the scopes, and
    `too_many_credentials`.
    """
    program = await read_program(connection, client_id, lock=True)
    if program is None or program.revoked_at is not None:
        return None
    if not set(scopes) <= set(program.scopes):
        raise Invalid("scope_not_allowed", "the program itself has not all of these scopes")
    if await _count_living(connection, client_id) >= limits.CLIENT_CREDENTIALS_MAX:
        raise Invalid("too_many_credentials", "revoke a credential of this program first")
    secret = new_secret(_MARKS[kind])
    credential = Credential(
        credential_id=credential_id,
        client_id=client_id,
        kind=kind,
        prefix=secret.prefix,
        scopes=tuple(sorted(scopes or program.scopes)),
        created_at=act.at,
        last_used_at=None,
        revoked_at=None,
    )
    await connection.execute(
        "INSERT INTO auth_credentials "
        "(credential_id, client_id, kind, prefix, scopes, created_at, secret_hash) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        credential_id,
        client_id,
        kind,
        credential.prefix,
        credential.scopes,
        act.at,
        secret.digest,
    )
    event = CredentialsCreated(
        request_id=act.act_id,
        requested_at=act.at,
        program_id=client_id,
        credential_id=credential_id,
        changed_by=changed_by,
        kind=kind,
        scopes=list(credential.scopes),
    )
    await put(connection, [message(act, event)])
    return credential, secret


async def revoke_credential(
    connection: Connection, act: Act, client_id: str, credential_id: UUID, *, changed_by: str
) -> bool:
    """Let a credential count no more, nor its tokens; False if the program has none of this id."""
    row = await connection.fetchrow(
        "UPDATE auth_credentials SET revoked_at = COALESCE(revoked_at, $3) "
        "WHERE client_id = $1 AND credential_id = $2 RETURNING revoked_at = $3 AS is_new",
        client_id,
        credential_id,
        act.at,
    )
    if row is not None and row["is_new"]:
        await put(connection, _revoked(act, client_id, [credential_id], changed_by))
    return row is not None


async def revoke_program(
    connection: Connection, act: Act, client_id: str, *, changed_by: str
) -> bool:
    """Let a program in no more, by whatever it shows; False if there is none of this id."""
    program = await read_program(connection, client_id, lock=True)
    if program is None:
        return False
    if program.revoked_at is None:
        await connection.execute(
            "UPDATE auth_clients SET revoked_at = $2 WHERE client_id = $1", client_id, act.at
        )
        rows = await connection.fetch(
            "UPDATE auth_credentials SET revoked_at = $2 "
            "WHERE client_id = $1 AND revoked_at IS NULL RETURNING credential_id",
            client_id,
            act.at,
        )
        ids = [row["credential_id"] for row in rows]
        told = standing_message(act, client_id, Standing.REVOKED)
        await put(connection, [told, *_revoked(act, client_id, ids, changed_by)])
    return True


async def read_program(
    connection: Connection, client_id: str, *, lock: bool = False
) -> Program | None:
    """A program by its id."""
    row = await connection.fetchrow(_LOCK if lock else _READ, client_id)
    return None if row is None else _program(row)


async def list_programs(connection: Connection, *, after: str | None, limit: int) -> list[Program]:
    """Programs in the order of their ids."""
    rows = await connection.fetch(
        "SELECT client_id, scopes, created_at, revoked_at FROM auth_clients "
        "WHERE $1::text IS NULL OR client_id > $1 ORDER BY client_id LIMIT $2",
        after,
        limit,
    )
    return [_program(row) for row in rows]


async def list_credentials(
    connection: Connection,
    client_id: str,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Credential]:
    """Credentials of a program, the oldest first, revoked ones too."""
    created_at, credential_id = after or (None, None)
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM auth_credentials WHERE client_id = $1 "  # noqa: S608 - a constant
        "AND ($2::timestamptz IS NULL OR (created_at, credential_id) > ($2, $3)) "
        "ORDER BY created_at, credential_id LIMIT $4",
        client_id,
        created_at,
        credential_id,
        limit,
    )
    return [
        Credential(**{**row, "scopes": tuple(row["scopes"]), "kind": CredentialKind(row["kind"])})
        for row in rows
    ]


async def use_secret(
    connection: Connection, client_id: str, text: str, at: datetime
) -> tuple[UUID, frozenset[str]] | None:
    """The credential that a program has shown, and its scopes; None if it holds no more."""
    row = await connection.fetchrow(_USE, digest_of(text), client_id)
    if row is None:
        return None
    last_used_at = row["last_used_at"]
    if last_used_at is None or (at - last_used_at).total_seconds() > limits.USED_S:
        await connection.execute(
            "UPDATE auth_credentials SET last_used_at = $2 WHERE credential_id = $1",
            row["credential_id"],
            at,
        )
    return row["credential_id"], frozenset(row["scopes"])


async def tell_refused(connection: Connection, act: Act, client_id: str) -> None:
    """Tell that a secret was shown in this program's name that is none of its; if there is one."""
    if await connection.fetchrow(_READ, client_id) is None:
        return
    event = CredentialsRefused(request_id=act.act_id, requested_at=act.at, program_id=client_id)
    await put(connection, [message(act, event)])


async def _count_living(connection: Connection, client_id: str) -> int:
    count: int = await connection.fetchval(
        "SELECT count(*) FROM auth_credentials WHERE client_id = $1 AND revoked_at IS NULL",
        client_id,
    )
    return count


def _revoked(
    act: Act, client_id: str, credential_ids: Sequence[UUID], changed_by: str
) -> list[Message]:
    told: list[Message] = []
    for credential_id in credential_ids:
        event = CredentialsRevoked(
            request_id=act.act_id,
            requested_at=act.at,
            program_id=client_id,
            credential_id=credential_id,
            changed_by=changed_by,
        )
        principal = session_principal(credential_id)
        told += [
            message(act, event),
            standing_message(act, principal, Standing.REVOKED),
        ]
    return told


def _program(row: asyncpg.Record) -> Program:
    return Program(**{**row, "scopes": tuple(row["scopes"])})
