"""Wrapped data keys in PostgreSQL: the SQL of the schema titan_keys."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from domain.errors import Defect
from runtime.database import Connection, Database
from runtime.vault.store import Kek, KekUse, NewKey, Rewrapped, StoredKey

LOCK_CLASS: Final = 1_986_098_540
"""Seed of the locks that making a key and forgetting its owner share; the migration has it too."""

_MOVE_EPOCH: Final = "UPDATE titan_keys.epoch SET number = number + 1"
_KEY_COLUMNS: Final = "key_id, owner, number, kek_id, wrapped, messages"


class PostgresKeyStore:
    """See `KeyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def epoch(self) -> int:
        """See `KeyStore.epoch`."""
        async with self._database.connection() as connection:
            number: int = await connection.fetchval("SELECT number FROM titan_keys.epoch")
            return number

    async def keks(self) -> list[Kek]:
        """See `KeyStore.keks`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT kek_id, provider, reference, created_at, retired_at "
                "FROM titan_keys.keks ORDER BY kek_id"
            )
        return [Kek(*row) for row in rows]

    async def add_kek(self, kek: Kek) -> bool:
        """See `KeyStore.add_kek`."""
        async with self._database.connection() as connection, connection.transaction():
            done = await connection.execute(
                "INSERT INTO titan_keys.keks VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                *kek,
            )
            if done == "INSERT 0 0":
                return False
            await connection.execute(_MOVE_EPOCH)
        return True

    async def retire_kek(self, kek_id: int, at: datetime) -> bool:
        """See `KeyStore.retire_kek`."""
        async with self._database.connection() as connection, connection.transaction():
            # Whoever is about to add a wrap holds FOR KEY SHARE, and reads the row anew after us.
            await connection.execute(
                "SELECT FROM titan_keys.keks WHERE kek_id = $1 FOR UPDATE", kek_id
            )
            done = await connection.execute(
                "UPDATE titan_keys.keks SET retired_at = COALESCE(retired_at, $2) "
                "WHERE kek_id = $1 AND kek_id < (SELECT max(kek_id) FROM titan_keys.keks) "
                "AND NOT EXISTS (SELECT FROM titan_keys.data_keys WHERE kek_id = $1)",
                kek_id,
                at,
            )
        return str(done) == "UPDATE 1"

    async def reserve(self, owners: Collection[UUID], messages: int) -> Mapping[UUID, StoredKey]:
        """See `KeyStore.reserve`."""
        async with self._database.connection() as connection:
            # In the order of the ids, so that two who reserve for the same people never deadlock.
            rows = await connection.fetch(
                "WITH newest AS (SELECT DISTINCT ON (owner) key_id FROM titan_keys.data_keys "
                "WHERE owner = ANY($1) ORDER BY owner, number DESC), "
                "locked AS MATERIALIZED (SELECT key_id FROM titan_keys.data_keys "
                "WHERE key_id IN (SELECT key_id FROM newest) ORDER BY key_id FOR NO KEY UPDATE) "
                "UPDATE titan_keys.data_keys AS key SET messages = key.messages + $2 "
                "FROM locked WHERE key.key_id = locked.key_id "
                "RETURNING key.key_id, owner, number, kek_id, wrapped, messages",
                list(owners),
                messages,
            )
        return {row["owner"]: StoredKey(*row) for row in rows}

    async def read(self, key_ids: Collection[UUID]) -> Mapping[UUID, StoredKey]:
        """See `KeyStore.read`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_KEY_COLUMNS} FROM titan_keys.data_keys WHERE key_id = ANY($1)",  # noqa: S608 - a constant
                list(key_ids),
            )
        return {row["key_id"]: StoredKey(*row) for row in rows}

    async def forgotten(self, owners: Collection[UUID]) -> frozenset[UUID]:
        """See `KeyStore.forgotten`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT owner FROM forgotten_people WHERE owner = ANY($1)", list(owners)
            )
        return frozenset(row["owner"] for row in rows)

    async def add(self, keys: Sequence[NewKey], at: datetime) -> None:
        """See `KeyStore.add`."""
        key_ids, owners, numbers, kek_ids, wraps = zip(*keys, strict=True)
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(owner::text, $2)) "
                "FROM (SELECT DISTINCT owner FROM unnest($1::uuid[]) AS owner ORDER BY owner) o",
                owners,
                LOCK_CLASS,
            )
            # A statement of its own: it sees what was committed while we waited for the locks.
            await connection.execute(
                "INSERT INTO titan_keys.data_keys "
                "(key_id, owner, number, kek_id, wrapped, created_at) "
                "WITH usable AS MATERIALIZED (SELECT kek_id FROM titan_keys.keks "
                "WHERE kek_id = ANY($4) AND retired_at IS NULL FOR KEY SHARE) "
                "SELECT key_id, owner, number, kek_id, wrapped, $6 FROM "
                "unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::bytea[]) "
                "AS new (key_id, owner, number, kek_id, wrapped) "
                "JOIN usable USING (kek_id) WHERE NOT EXISTS "
                "(SELECT FROM forgotten_people AS gone WHERE gone.owner = new.owner) "
                "ON CONFLICT (owner, number) DO NOTHING",
                key_ids,
                owners,
                numbers,
                kek_ids,
                wraps,
                at,
            )

    async def wrapped_under(
        self, kek_ids: Collection[int], *, after: UUID, limit: int
    ) -> list[StoredKey]:
        """See `KeyStore.wrapped_under`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_KEY_COLUMNS} FROM titan_keys.data_keys "  # noqa: S608 - a constant
                "WHERE kek_id = ANY($1) AND key_id > $2 ORDER BY key_id LIMIT $3",
                list(kek_ids),
                after,
                limit,
            )
        return [StoredKey(*row) for row in rows]

    async def rewrap(self, wraps: Sequence[Rewrapped]) -> int:
        """See `KeyStore.rewrap`."""
        key_ids, from_kek_ids, kek_ids, wrapped = zip(*sorted(wraps), strict=True)
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(
                "SELECT FROM titan_keys.data_keys WHERE key_id = ANY($1) "
                "ORDER BY key_id FOR NO KEY UPDATE",
                key_ids,
            )
            done = await connection.execute(
                "WITH usable AS MATERIALIZED (SELECT kek_id FROM titan_keys.keks "
                "WHERE kek_id = ANY($3) AND retired_at IS NULL FOR KEY SHARE) "
                "UPDATE titan_keys.data_keys AS key SET kek_id = new.kek_id, wrapped = new.wrapped "
                "FROM unnest($1::uuid[], $2::int[], $3::int[], $4::bytea[]) "
                "AS new (key_id, from_kek_id, kek_id, wrapped) JOIN usable USING (kek_id) "
                "WHERE key.key_id = new.key_id AND key.kek_id = new.from_kek_id",
                key_ids,
                from_kek_ids,
                kek_ids,
                wrapped,
            )
        return int(done.removeprefix("UPDATE "))

    async def uses(self) -> list[KekUse]:
        """See `KeyStore.uses`."""
        async with self._database.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(
                "SELECT kek_id, count(key_id), COALESCE(sum(messages), 0)::bigint, "
                "COALESCE(max(messages), 0) FROM titan_keys.keks "
                "LEFT JOIN titan_keys.data_keys USING (kek_id) GROUP BY kek_id ORDER BY kek_id"
            )
        return [KekUse(*row) for row in rows]

    async def count_house(self, key_id: UUID, messages: int) -> int:
        """See `KeyStore.count_house`."""
        async with self._database.connection() as connection:
            total: int = await connection.fetchval(
                "INSERT INTO titan_keys.house_keys AS known VALUES ($1, $2) ON CONFLICT (key_id) "
                "DO UPDATE SET messages = known.messages + EXCLUDED.messages RETURNING messages",
                key_id,
                messages,
            )
        return total

    async def house_messages(self) -> Mapping[UUID, int]:
        """See `KeyStore.house_messages`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT key_id, messages FROM titan_keys.house_keys")
        return {row["key_id"]: row["messages"] for row in rows}

    async def forget(self, connection: Connection | None, owner: UUID, at: datetime) -> bool:
        """See `KeyStore.forget`."""
        if connection is None:
            raise Defect("a person is forgotten within a transaction of the caller's")
        fresh: bool = await connection.fetchval("SELECT titan_keys.forget($1, $2)", owner, at)
        return fresh

    async def close(self) -> None:
        """See `KeyStore.close`."""
        await self._database.close()
