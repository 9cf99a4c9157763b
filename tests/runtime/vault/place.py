"""A vault to test, with keys in memory or in PostgreSQL, and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from runtime.clock import SystemClock
from runtime.database import Database
from runtime.vault import PeopleKeys, Vault
from runtime.vault.keyring import Keyring
from runtime.vault.memory import MemoryKeyProvider, MemoryKeyStore
from runtime.vault.postgres import PostgresKeyStore
from runtime.vault.provider import KeyProvider, Wrapping
from runtime.vault.provider_file import FileKeyProvider
from runtime.vault.store import KeyStore


class HandClock(SystemClock):
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def monotonic_s(self) -> float:
        return self.passed_s


class HeldProvider:
    """A provider whose next unwrapping waits until it is released."""

    def __init__(self, provider: KeyProvider) -> None:
        self.provider = provider
        self.name = provider.name
        self.asked = asyncio.Event()
        self.released = asyncio.Event()

    async def create(self, reference: str | None) -> str:
        return await self.provider.create(reference)

    async def wrap(self, reference: str, keys: Sequence[Wrapping]) -> list[bytes]:
        return await self.provider.wrap(reference, keys)

    async def unwrap(self, reference: str, wraps: Sequence[Wrapping]) -> list[bytes]:
        if not self.asked.is_set():
            self.asked.set()
            await self.released.wait()
        return await self.provider.unwrap(reference, wraps)

    async def destroy(self, reference: str) -> None:
        await self.provider.destroy(reference)

    async def close(self) -> None:
        await self.provider.close()


@dataclass
class Place:
    """A vault, what it stands on, and how a person is forgotten there."""

    vault: Vault
    store: KeyStore
    provider: KeyProvider
    clock: HandClock
    database: Database | None

    async def forget(self, owner: UUID) -> bool:
        if self.database is None:
            return await self.vault.forget(None, owner)
        async with self.database.connection() as connection, connection.transaction():
            return await self.vault.forget(connection, owner)

    def twin(self, provider: KeyProvider | None = None) -> Vault:
        """The vault of another process on the same store."""
        maker = provider or self.provider
        keyring = Keyring(self.store, maker=maker, others=[], clock=self.clock)
        return Vault(bytes(32), people=PeopleKeys(self.store, keyring, clock=self.clock))


@asynccontextmanager
async def open_place(dsn: str | None, directory: Path) -> AsyncIterator[Place]:
    """A place on the database, emptied of keys; without a DSN, in memory."""
    clock = HandClock()
    database: Database | None = None
    if dsn is None:
        store: KeyStore = MemoryKeyStore()
        provider: KeyProvider = MemoryKeyProvider()
    else:
        database = await Database.connect(dsn, name="test", size=4)
        store = PostgresKeyStore(database)
        provider = FileKeyProvider(directory / "keys", clock=clock)
    place = Place(Vault(bytes(32)), store, provider, clock, database)
    place.vault = place.twin()
    try:
        yield place
    finally:
        if database is not None:
            await database.close()
