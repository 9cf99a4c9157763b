"""Key-encryption keys by their number: wraps under the newest, unwraps under any."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from domain.errors import Invalid, Unavailable
from runtime.clock import Clock
from runtime.vault import limits
from runtime.vault.provider import KeyProvider, Wrapping, missing_kek
from runtime.vault.store import Kek, KeyStore, StoredKey


class Keyring:
    """The registry of key-encryption keys, and the providers that hold them.

    New ones are made by `maker`; the others serve those that were made by them before.
    """

    def __init__(
        self, store: KeyStore, *, maker: KeyProvider, others: Sequence[KeyProvider], clock: Clock
    ) -> None:
        self._store = store
        self._maker = maker
        self._providers: Mapping[str, KeyProvider] = {
            provider.name: provider for provider in (*others, maker)
        }
        self._clock = clock
        self._keks: dict[int, Kek] = {}

    def clear(self) -> None:
        """Read the registry anew when it is next needed."""
        self._keks = {}

    async def newest(self) -> Kek:
        """The key that wraps; the first one is made when it is first needed."""
        if not self._keks:
            self._keks = {kek.kek_id: kek for kek in await self._store.keks()}
        if not self._keks:
            return await self.rotate()
        return self._keks[max(self._keks)]

    async def rotate(self, reference: str | None = None) -> Kek:
        """Make a key, or take the one the provider knows by this reference; it wraps from now on.

        Of two who rotate at once, both get the one key that came to be.
        """
        known = await self._store.keks()
        number = max((kek.kek_id for kek in known), default=0) + 1
        async with _in_time():
            made = await self._maker.create(reference)
        kek = Kek(number, self._maker.name, made, self._clock.now(), None)
        is_ours = await self._store.add_kek(kek)
        self._keks = {each.kek_id: each for each in await self._store.keks()}
        if not is_ours:
            taken = {(each.provider, each.reference) for each in known}
            if (kek.provider, kek.reference) in taken:
                raise Invalid("kek_in_use", "this key-encryption key is in the registry already")
            if (kek.provider, made) not in {
                (each.provider, each.reference) for each in self._keks.values()
            } and reference is None:
                await self._maker.destroy(made)
        return self._keks[max(self._keks)]

    async def wrap(self, keys: Sequence[Wrapping]) -> tuple[int, list[bytes]]:
        """The number of the newest key, and the wraps under it."""
        kek = await self.newest()
        try:
            return kek.kek_id, await self._wrap(kek, keys)
        except Invalid:
            # It may have been replaced and destroyed since the registry was read.
            self.clear()
            newest = await self.newest()
            if newest.kek_id == kek.kek_id:
                raise
            return newest.kek_id, await self._wrap(newest, keys)

    async def unwrap(self, keys: Sequence[StoredKey]) -> list[bytes]:
        """The data keys, in their order; Invalid `missing_kek` or `wrapped_key` if one is lost."""
        by_kek: dict[int, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            by_kek[key.kek_id].append(place)
        opened = [b""] * len(keys)
        for kek_id, places in by_kek.items():
            kek = await self._kek(kek_id)
            wraps = [
                Wrapping(key.owner, key.key_id, key.wrapped)
                for key in (keys[place] for place in places)
            ]
            async with _in_time():
                found = await self._provider(kek).unwrap(kek.reference, wraps)
            for place, data_key in zip(places, found, strict=True):
                opened[place] = data_key
        return opened

    async def destroy(self, kek_id: int) -> None:
        """End a key for good, once nothing is wrapped under it; Invalid `kek_in_use` while it is.

        Backups of the keys from before the last rewrap are worthless from then on.
        """
        kek = await self._kek(kek_id)
        if not await self._store.retire_kek(kek_id, self._clock.now()):
            raise Invalid(
                "kek_in_use", f"key {kek_id} is the newest, or wraps data keys: rewrap first"
            )
        async with _in_time():
            await self._provider(kek).destroy(kek.reference)
        self.clear()

    async def close(self) -> None:
        """Give the providers' connections up."""
        for provider in self._providers.values():
            await provider.close()

    async def _wrap(self, kek: Kek, keys: Sequence[Wrapping]) -> list[bytes]:
        async with _in_time():
            return await self._provider(kek).wrap(kek.reference, keys)

    async def _kek(self, kek_id: int) -> Kek:
        if kek_id not in self._keks:
            self._keks = {kek.kek_id: kek for kek in await self._store.keks()}
        kek = self._keks.get(kek_id)
        if kek is None:
            raise missing_kek(str(kek_id))
        return kek

    def _provider(self, kek: Kek) -> KeyProvider:
        provider = self._providers.get(kek.provider)
        if provider is None:
            raise Invalid("missing_kek", f"key {kek.kek_id} is held by {kek.provider}: not set up")
        return provider


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Bound a question to a provider: past it the provider counts as down."""
    try:
        async with asyncio.timeout(limits.PROVIDER_S_MAX):
            yield
    except TimeoutError:
        raise Unavailable("the key provider took too long") from None
