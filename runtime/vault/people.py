"""The data keys of people: made when first needed, kept in memory for a while, counted.

What is in memory is used without a question, but once a second the store is asked whether a key
was destroyed or replaced since. So a forgotten person's texts open nowhere a moment later: only
whoever had read the key by then, and waits for its provider, is still answered.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Invalid, Unavailable
from runtime import metrics
from runtime.circuit import Circuit
from runtime.clock import Clock
from runtime.vault import limits
from runtime.vault.cipher import Cipher
from runtime.vault.envelope import KEY_BYTES
from runtime.vault.keyring import Keyring
from runtime.vault.provider import Wrapping
from runtime.vault.store import KeyStore, NewKey, Rewrapped, StoredKey

log = structlog.get_logger()


class Forgotten(Invalid):
    """The person's key was destroyed: nothing of theirs opens, and nothing is sealed for them."""

    def __init__(self) -> None:
        super().__init__("person_forgotten", "the person was forgotten")


class Wanted(NamedTuple):
    """A key that a text says it was sealed under, and whose it should be."""

    owner: UUID
    key_id: UUID


@dataclass(slots=True)
class _Kept:
    """A data key in memory. `reserved` messages may be sealed before the store is asked again."""

    cipher: Cipher
    owner: UUID
    until_s: float
    reserved: int


class PeopleKeys:
    """Gives the ciphers of people."""

    def __init__(self, store: KeyStore, keyring: Keyring, *, clock: Clock) -> None:
        self.store = store
        self.keyring = keyring
        self.clock = clock
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._sealing: dict[UUID, UUID] = {}
        self._generation = 0
        self._epoch: int | None = None
        self._looked_s = float("-inf")
        self._circuit = Circuit(
            wait_s_max=limits.EPOCH_WAIT_S_MAX, rest_s=limits.EPOCH_REST_S, clock=clock
        )

    async def held(self, messages: Mapping[UUID, int]) -> dict[UUID, Cipher]:
        """Those of the ciphers that are in memory, with so many messages left to them."""
        await self._look()
        found: dict[UUID, Cipher] = {}
        for owner, count in messages.items():
            kept = self._kept_of(self._sealing.get(owner))
            if kept is not None and kept.reserved >= count:
                kept.reserved -= count
                found[owner] = kept.cipher
        return found

    async def for_opening(self, wanted: Collection[Wanted]) -> dict[Wanted, Cipher]:
        """The ciphers that are wanted; those that are not there, or another's, are absent.

        Says nothing of why one is: ask `has_forgotten`.
        """
        await self._look()
        kept = {each.key_id: self._kept_of(each.key_id) for each in wanted}
        missing = [key_id for key_id, found in kept.items() if found is None]
        if missing:
            generation = self._generation
            stored = list((await self.store.read(missing)).values())
            for fresh in await self._keep(stored, generation, reserved={}):
                kept[fresh.cipher.key_id] = fresh
        return {
            each: found.cipher
            for each in wanted
            if (found := kept[each.key_id]) is not None and found.owner == each.owner
        }

    async def has_forgotten(self, owners: Collection[UUID]) -> bool:
        """Whether one of these was forgotten."""
        return bool(await self.store.forgotten(owners))

    async def close(self) -> None:
        """Give connections up."""
        await self.keyring.close()
        await self.store.close()

    def clear(self) -> None:
        """Rely on nothing in memory any more."""
        self._generation += 1
        self._kept.clear()
        self._sealing.clear()
        self.keyring.clear()

    def _kept_of(self, key_id: UUID | None) -> _Kept | None:
        kept = None if key_id is None else self._kept.get(key_id)
        if kept is None or self.clock.monotonic_s() >= kept.until_s:
            return None
        self._kept.move_to_end(kept.cipher.key_id)
        return kept

    async def _look(self) -> None:
        """Ask whether keys have changed, if that was not asked a moment ago.

        Whoever comes while the answer is on its way goes on with what is in memory.
        """
        now_s = self.clock.monotonic_s()
        if now_s - self._looked_s < limits.EPOCH_S:
            return
        self._looked_s = now_s
        with contextlib.suppress(Unavailable):
            epoch = await self._circuit.ask(self.store.epoch)
            if epoch != self._epoch:
                self.clear()
                self._epoch = epoch

    async def fetch(self, missing: Mapping[UUID, int]) -> dict[UUID, Cipher | None]:
        """The ciphers of owners from the store, all at once; made for whoever has none.

        Forgotten owners are absent; None where the key is there and does not open any more.
        """
        block = max(limits.MESSAGES_RESERVED, *missing.values())
        wanted = dict(missing)
        for _ in range(limits.CREATE_ATTEMPTS_MAX):
            generation = self._generation
            stored = await self.store.reserve(wanted, block)
            lacking = [owner for owner in wanted if owner not in stored]
            worn = [key for key in stored.values() if key.messages > limits.MESSAGES_ALARM]
            for owner in await self.store.forgotten(lacking) if lacking else ():
                del wanted[owner]
            fresh = [(owner, 1) for owner in lacking if owner in wanted]
            for key in worn:
                metrics.VAULT_WORN_KEYS.inc()
                log.error("vault_key_worn", key_id=str(key.key_id), messages=key.messages)
                fresh.append((key.owner, key.number + 1))
            if not fresh:
                break
            await self._make(fresh)
        else:
            raise Unavailable("the store of keys does not keep what is put into it")
        reserved = {key.key_id: block - wanted[key.owner] for key in stored.values()}
        renewed = await self._renewed(list(stored.values()))
        kept = await self._keep(renewed, generation, reserved=reserved)
        found: dict[UUID, Cipher | None] = dict.fromkeys(stored)
        return found | {each.owner: each.cipher for each in kept}

    async def _make(self, fresh: Iterable[tuple[UUID, int]]) -> None:
        """Make keys for owners, with their numbers; of two who do, one key comes to be."""
        numbers = dict(fresh)
        keys = [
            Wrapping(
                owner,
                self.clock.random_id(),
                AESGCM.generate_key(bit_length=KEY_BYTES * 8),
            )
            for owner in numbers
        ]
        kek_id, wraps = await self.keyring.wrap(keys)
        await self.store.add(
            [
                NewKey(key.key_id, key.owner, numbers[key.owner], kek_id, wrap)
                for key, wrap in zip(keys, wraps, strict=True)
            ],
            self.clock.now(),
        )
        # If it was not added because its key-encryption key was retired, the next round knows.
        self.keyring.clear()

    async def _renewed(self, keys: Sequence[StoredKey]) -> list[StoredKey]:
        """The keys as they are once those under an older key-encryption key were wrapped anew.

        A key that is about to be used is wrapped anew at once; if that fails, the older wrap serves
        until somebody else does it.
        """
        newest = await self.keyring.newest()
        older = [key for key in keys if key.kek_id != newest.kek_id]
        if not older:
            return list(keys)
        try:
            renewed = {key.key_id: key for key in await rewrapped(self.keyring, older)}
            await self.store.rewrap(
                [
                    Rewrapped(
                        key.key_id,
                        key.kek_id,
                        renewed[key.key_id].kek_id,
                        renewed[key.key_id].wrapped,
                    )
                    for key in older
                ]
            )
        except (Invalid, Unavailable):
            return list(keys)
        return [renewed.get(key.key_id, key) for key in keys]

    async def _keep(
        self, keys: Sequence[StoredKey], generation: int, *, reserved: Mapping[UUID, int]
    ) -> list[_Kept]:
        """Have keys in memory, if read in this generation; those that do not open are left out.

        Those with something reserved are what their owners' texts are sealed under from now on.
        """
        until_s = self.clock.monotonic_s() + limits.KEY_S_MAX
        fresh = []
        for key, data_key in await self._opened(keys):
            cipher = Cipher(data_key, key_id=key.key_id, kek_id=key.kek_id)
            fresh.append(_Kept(cipher, key.owner, until_s, reserved.get(key.key_id, 0)))
        if generation != self._generation:
            # They may have been destroyed while their provider was asked, and the memory was
            # cleared for that already: it would not be cleared again before they are old.
            return fresh
        for kept in fresh:
            self._kept[kept.cipher.key_id] = kept
            self._kept.move_to_end(kept.cipher.key_id)
            if kept.cipher.key_id in reserved:
                self._sealing[kept.owner] = kept.cipher.key_id
        while len(self._kept) > limits.KEYS_MAX:
            key_id, kept = self._kept.popitem(last=False)
            if self._sealing.get(kept.owner) == key_id:
                del self._sealing[kept.owner]
        return fresh

    async def _opened(self, keys: Sequence[StoredKey]) -> list[tuple[StoredKey, bytes]]:
        """The keys that open; nobody suffers for another's that does not."""
        try:
            return list(zip(keys, await self.keyring.unwrap(keys), strict=True))
        except Invalid as error:
            if len(keys) > 1:
                return [each for key in keys for each in await self._opened([key])]
            # The reason is ours to know; whoever asks learns only that nothing opens.
            log.error("vault_key_lost", key_id=str(keys[0].key_id), code=error.code)  # noqa: TRY400 - no bug of ours
            return []


async def rewrapped(keyring: Keyring, keys: Sequence[StoredKey]) -> list[StoredKey]:
    """The keys under the newest key-encryption key; nothing is stored."""
    opened = await keyring.unwrap(keys)
    kek_id, wraps = await keyring.wrap(
        [
            Wrapping(key.owner, key.key_id, data_key)
            for key, data_key in zip(keys, opened, strict=True)
        ]
    )
    return [
        key._replace(kek_id=kek_id, wrapped=wrap) for key, wrap in zip(keys, wraps, strict=True)
    ]
