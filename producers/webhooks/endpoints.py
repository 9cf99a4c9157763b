"""The tables `webhook_endpoints` and `webhook_secrets`, as their owners see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from domain.errors import Invalid
from domain.webhook import DESCRIPTION_PURPOSE, SECRET_PURPOSE, URL_PURPOSE, DisabledReason
from producers.webhooks import limits
from runtime.database import Connection
from runtime.standard_webhooks import Scheme, Signer, WebhookSecret
from runtime.webhook_words import Word, Words

_COLUMNS: Final = (
    "endpoint_id, version, url_sealed, event_types, description_sealed, rate_per_s, is_ordered,"
    " created_at, disabled_at, disabled_reason, failing_since"
)
_SEALED: Final = {URL_PURPOSE: "url_sealed", DESCRIPTION_PURPOSE: "description_sealed"}
_READ: Final = f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE client_id = $1 AND endpoint_id = $2"  # noqa: S608 - a constant
_LIST: Final = (
    f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE client_id = $1"  # noqa: S608 - a constant
    " AND ($2::timestamptz IS NULL OR (created_at, endpoint_id) > ($2, $3))"
    " ORDER BY created_at, endpoint_id LIMIT $4"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a client wants to be told."""

    endpoint_id: UUID
    version: int
    url: str
    event_types: tuple[str, ...]
    description: str | None
    rate_per_s: int | None
    is_ordered: bool
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an endpoint is; the person where it is one's own, so that forgetting them ends it."""

    client_id: str
    person_id: UUID | None


async def add(connection: Connection, words: Words, owner: Owner, endpoint: Endpoint) -> None:
    """A new endpoint, in a transaction; Invalid `too_many_endpoints`."""
    # Of two that are added at once, the later waits here and counts the earlier.
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 1400))", owner.client_id
    )
    count = await connection.fetchval(
        "SELECT count(*) FROM webhook_endpoints WHERE client_id = $1", owner.client_id
    )
    if count >= limits.ENDPOINTS_MAX:
        raise Invalid("too_many_endpoints", f"a client has at most {limits.ENDPOINTS_MAX}")
    url, description = await _sealed(
        words, endpoint.endpoint_id, endpoint.url, endpoint.description
    )
    await connection.execute(
        "INSERT INTO webhook_endpoints (endpoint_id, client_id, person_id, url_sealed, event_types,"
        " description_sealed, rate_per_s, is_ordered, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        endpoint.endpoint_id,
        owner.client_id,
        owner.person_id,
        url,
        endpoint.event_types,
        description,
        endpoint.rate_per_s,
        endpoint.is_ordered,
        endpoint.created_at,
    )


async def read(
    connection: Connection, words: Words, client_id: str, endpoint_id: UUID, *, lock: bool = False
) -> Endpoint | None:
    """This client's endpoint; None if there is none, or it is another's."""
    statement = f"{_READ} FOR UPDATE" if lock else _READ
    row = await connection.fetchrow(statement, client_id, endpoint_id)
    return None if row is None else await _endpoint(words, row)


async def list_of(
    connection: Connection,
    words: Words,
    client_id: str,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Endpoint]:
    """This client's endpoints, the oldest first."""
    created_at, endpoint_id = after or (None, None)
    rows = await connection.fetch(_LIST, client_id, created_at, endpoint_id, limit)
    return await _endpoints(words, rows)


async def change(
    connection: Connection, words: Words, endpoint_id: UUID, changes: dict[str, Any]
) -> Endpoint:
    """An endpoint that the caller has locked, changed and counted on; absent fields stay."""
    url, description = await _sealed(
        words, endpoint_id, changes.get("url"), changes.get("description")
    )
    row = await connection.fetchrow(
        f"UPDATE webhook_endpoints SET version = version + 1,"  # noqa: S608 - a constant
        f" url_sealed = COALESCE($2, url_sealed), event_types = COALESCE($3, event_types),"
        f" description_sealed = CASE WHEN $4 THEN $5 ELSE description_sealed END,"
        f" rate_per_s = CASE WHEN $6 THEN $7 ELSE rate_per_s END,"
        f" is_ordered = COALESCE($8, is_ordered)"
        f" WHERE endpoint_id = $1 RETURNING {_COLUMNS}",
        endpoint_id,
        url,
        changes.get("event_types"),
        "description" in changes,
        description,
        "rate_per_s" in changes,
        changes.get("rate_per_s"),
        changes.get("is_ordered"),
    )
    assert row is not None
    return await _endpoint(words, row)


async def enable(connection: Connection, words: Words, endpoint_id: UUID) -> Endpoint:
    """A locked endpoint that is asked again, its failures forgiven."""
    row = await connection.fetchrow(
        f"UPDATE webhook_endpoints SET version = version + 1, disabled_at = NULL,"  # noqa: S608 - a constant
        f" disabled_reason = NULL, failures = 0, failing_since = NULL, rest_until = '-infinity'"
        f" WHERE endpoint_id = $1 RETURNING {_COLUMNS}",
        endpoint_id,
    )
    assert row is not None
    return await _endpoint(words, row)


async def remove(connection: Connection, endpoint_id: UUID) -> None:
    """Forget a locked endpoint, its secrets and its deliveries."""
    await connection.execute("DELETE FROM webhook_endpoints WHERE endpoint_id = $1", endpoint_id)


async def add_secret(
    connection: Connection,
    words: Words,
    endpoint_id: UUID,
    *,
    secret_id: UUID,
    secret: WebhookSecret,
    at: datetime,
) -> None:
    """Keep a secret, sealed, that signs from now on."""
    [sealed] = await words.seal([Word(SECRET_PURPOSE, endpoint_id, secret.kept)])
    await connection.execute(
        "INSERT INTO webhook_secrets (secret_id, endpoint_id, sealed, created_at)"
        " VALUES ($1, $2, $3, $4)",
        secret_id,
        endpoint_id,
        sealed,
        at,
    )


async def newest_secret(connection: Connection, endpoint_id: UUID) -> str:
    """The sealed secret of a locked endpoint that was made last; an endpoint is never without."""
    sealed: str = await connection.fetchval(
        "SELECT sealed FROM webhook_secrets WHERE endpoint_id = $1"
        " ORDER BY created_at DESC LIMIT 1",
        endpoint_id,
    )
    return sealed


async def scheme_of(words: Words, endpoint_id: UUID, sealed: str) -> Scheme:
    """How a sealed secret signs."""
    [secret] = await words.open([Word(SECRET_PURPOSE, endpoint_id, sealed)])
    return Signer(secret).scheme


async def end_secrets(
    connection: Connection, endpoint_id: UUID, *, at: datetime, ends_at: datetime
) -> None:
    """Let the secrets of a locked endpoint sign until `ends_at` at most.

    Invalid `rotation_in_progress` if that would leave more than one beside a new one.
    """
    await connection.execute(
        "UPDATE webhook_secrets SET expires_at = LEAST(expires_at, $2) WHERE endpoint_id = $1",
        endpoint_id,
        ends_at,
    )
    await connection.execute(
        "DELETE FROM webhook_secrets WHERE endpoint_id = $1 AND expires_at <= $2", endpoint_id, at
    )
    count = await connection.fetchval(
        "SELECT count(*) FROM webhook_secrets WHERE endpoint_id = $1", endpoint_id
    )
    if count >= limits.SECRETS_MAX:
        raise Invalid(
            "rotation_in_progress",
            "two secrets sign already: wait until the old one has expired, or send overlap_s 0",
        )


async def secret_expiries(
    connection: Connection, endpoint_ids: Sequence[UUID], at: datetime
) -> dict[UUID, list[datetime | None]]:
    """When each secret that signs ceases to, the oldest first; None: not by itself."""
    rows = await connection.fetch(
        "SELECT endpoint_id, NULLIF(expires_at, 'infinity') AS expires_at FROM webhook_secrets"
        " WHERE endpoint_id = ANY($1::uuid[]) AND expires_at > $2"
        " ORDER BY endpoint_id, created_at",
        list(endpoint_ids),
        at,
    )
    found: dict[UUID, list[datetime | None]] = {}
    for row in rows:
        found.setdefault(row["endpoint_id"], []).append(row["expires_at"])
    return found


async def _endpoint(words: Words, row: asyncpg.Record) -> Endpoint:
    [endpoint] = await _endpoints(words, [row])
    return endpoint


async def _endpoints(words: Words, rows: Sequence[asyncpg.Record]) -> list[Endpoint]:
    sealed = [
        Word(purpose, row["endpoint_id"], row[column])
        for row in rows
        for purpose, column in _SEALED.items()
        if row[column] is not None
    ]
    texts = await words.open(sealed)
    opened = {(word.row, word.purpose): text for word, text in zip(sealed, texts, strict=True)}
    return [_opened(row, opened) for row in rows]


def _opened(row: asyncpg.Record, texts: Mapping[tuple[UUID, str], str]) -> Endpoint:
    columns = {name: value for name, value in row.items() if name not in _SEALED.values()}
    endpoint_id, reason = columns["endpoint_id"], columns["disabled_reason"]
    return Endpoint(
        **{
            **columns,
            "url": texts[endpoint_id, URL_PURPOSE],
            "description": texts.get((endpoint_id, DESCRIPTION_PURPOSE)),
            "event_types": tuple(columns["event_types"]),
            "disabled_reason": None if reason is None else DisabledReason(reason),
        }
    )


async def _sealed(
    words: Words, endpoint_id: UUID, url: str | None, description: str | None
) -> tuple[str | None, str | None]:
    """Of each what goes into its column; nothing of nothing."""
    texts = {URL_PURPOSE: url, DESCRIPTION_PURPOSE: description}
    given = [Word(name, endpoint_id, text) for name, text in texts.items() if text is not None]
    sealed = dict(zip((word.purpose for word in given), await words.seal(given), strict=True))
    return sealed.get(URL_PURPOSE), sealed.get(DESCRIPTION_PURPOSE)
