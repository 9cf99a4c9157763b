"""Wrapped data keys, and the keys that wrap them, in this process only: they end with it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runtime.database import Connection
from runtime.vault.envelope import KEY_BYTES
from runtime.vault.provider import Wrapping, missing_kek, unwrap_locally, wrap_locally
from runtime.vault.store import Kek, KekUse, NewKey, Rewrapped, StoredKey


class MemoryKeyProvider:
    """See `KeyProvider`."""

    name = "memory"

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    async def create(self, reference: str | None) -> str:
        """See `KeyProvider.create`."""
        reference = reference or str(len(self._keys) + 1)
        self._keys.setdefault(reference, AESGCM.generate_key(bit_length=KEY_BYTES * 8))
        return reference

    async def wrap(self, reference: str, keys: Sequence[Wrapping]) -> list[bytes]:
        """See `KeyProvider.wrap`."""
        return wrap_locally(self._key(reference), keys)

    async def unwrap(self, reference: str, wraps: Sequence[Wrapping]) -> list[bytes]:
        """See `KeyProvider.unwrap`."""
        return unwrap_locally(self._key(reference), wraps)

    async def destroy(self, reference: str) -> None:
        """See `KeyProvider.destroy`."""
        self._keys.pop(reference, None)

    async def close(self) -> None:
        """See `KeyProvider.close`."""

    def _key(self, reference: str) -> bytes:
        if reference not in self._keys:
            raise missing_kek(reference)
        return self._keys[reference]


class MemoryKeyStore:
    """See `KeyStore`."""

    def __init__(self) -> None:
        self._epoch = 1
        self._keks: dict[int, Kek] = {}
        self._keys: dict[UUID, StoredKey] = {}
        self._forgotten: set[UUID] = set()
        self._house: Counter[UUID] = Counter()

    async def epoch(self) -> int:
        """See `KeyStore.epoch`."""
        return self._epoch

    async def keks(self) -> list[Kek]:
        """See `KeyStore.keks`."""
        return [self._keks[kek_id] for kek_id in sorted(self._keks)]

    async def add_kek(self, kek: Kek) -> bool:
        """See `KeyStore.add_kek`."""
        names = {(known.provider, known.reference) for known in self._keks.values()}
        if kek.kek_id in self._keks or (kek.provider, kek.reference) in names:
            return False
        self._keks[kek.kek_id] = kek
        self._epoch += 1
        return True

    async def retire_kek(self, kek_id: int, at: datetime) -> bool:
        """See `KeyStore.retire_kek`."""
        kek = self._keks.get(kek_id)
        in_use = any(key.kek_id == kek_id for key in self._keys.values())
        if kek is None or in_use or kek_id == max(self._keks):
            return False
        self._keks[kek_id] = kek._replace(retired_at=kek.retired_at or at)
        return True

    async def reserve(self, owners: Collection[UUID], messages: int) -> Mapping[UUID, StoredKey]:
        """See `KeyStore.reserve`."""
        newest: dict[UUID, StoredKey] = {}
        for key in sorted(self._keys.values(), key=lambda key: key.number):
            if key.owner in owners:
                newest[key.owner] = key._replace(messages=key.messages + messages)
        self._keys.update((key.key_id, key) for key in newest.values())
        return newest

    async def read(self, key_ids: Collection[UUID]) -> Mapping[UUID, StoredKey]:
        """See `KeyStore.read`."""
        return {key_id: self._keys[key_id] for key_id in key_ids if key_id in self._keys}

    async def forgotten(self, owners: Collection[UUID]) -> frozenset[UUID]:
        """See `KeyStore.forgotten`."""
        return frozenset(self._forgotten.intersection(owners))

    async def add(self, keys: Sequence[NewKey], at: datetime) -> None:  # noqa: ARG002 - nobody reads the time here
        """See `KeyStore.add`."""
        taken = {(key.owner, key.number) for key in self._keys.values()}
        for key in keys:
            is_free = (key.owner, key.number) not in taken
            if is_free and key.owner not in self._forgotten and self._is_usable(key.kek_id):
                self._keys[key.key_id] = StoredKey(*key, messages=0)
                taken.add((key.owner, key.number))

    async def wrapped_under(
        self, kek_ids: Collection[int], *, after: UUID, limit: int
    ) -> list[StoredKey]:
        """See `KeyStore.wrapped_under`."""
        found = [key for key in self._keys.values() if key.kek_id in kek_ids and key.key_id > after]
        return sorted(found)[:limit]

    async def rewrap(self, wraps: Sequence[Rewrapped]) -> int:
        """See `KeyStore.rewrap`."""
        done = 0
        for wrap in wraps:
            key = self._keys.get(wrap.key_id)
            if key is None or key.kek_id != wrap.from_kek_id:
                continue
            if self._is_usable(wrap.kek_id):
                self._keys[wrap.key_id] = key._replace(kek_id=wrap.kek_id, wrapped=wrap.wrapped)
                done += 1
        return done

    async def uses(self) -> list[KekUse]:
        """See `KeyStore.uses`."""
        uses = []
        for kek_id in sorted(self._keks):
            counts = [key.messages for key in self._keys.values() if key.kek_id == kek_id]
            uses.append(KekUse(kek_id, len(counts), sum(counts), max(counts, default=0)))
        return uses

    async def count_house(self, key_id: UUID, messages: int) -> int:
        """See `KeyStore.count_house`."""
        self._house[key_id] += messages
        return self._house[key_id]

    async def house_messages(self) -> Mapping[UUID, int]:
        """See `KeyStore.house_messages`."""
        return dict(self._house)

    async def forget(self, connection: Connection | None, owner: UUID, at: datetime) -> bool:  # noqa: ARG002 - there is no transaction here
        """See `KeyStore.forget`."""
        is_fresh = owner not in self._forgotten
        self._forgotten.add(owner)
        self._keys = {key_id: key for key_id, key in self._keys.items() if key.owner != owner}
        self._epoch += 1
        return is_fresh

    async def close(self) -> None:
        """See `KeyStore.close`."""

    def _is_usable(self, kek_id: int) -> bool:
        return kek_id in self._keks and self._keks[kek_id].retired_at is None
