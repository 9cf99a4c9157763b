"""A hundred thousand data keys are wrapped anew while people read and write: nobody notices.

Fast runs take a thousand; the whole size is marked long.
"""

import asyncio
from pathlib import Path
from uuid import UUID, uuid5

import asyncpg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runtime.vault import Binding, Vault
from runtime.vault import limits as vault_limits
from runtime.vault.provider import Wrapping
from runtime.vault.rewrap import rewrap_all
from runtime.vault.store import NewKey
from tests.runtime.vault.conftest import empty
from tests.runtime.vault.place import Place, open_place

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

ROOT = UUID("9e7ab000-0000-4000-8000-000000000000")
BLOCK = 5_000


def person(number: int) -> UUID:
    return uuid5(ROOT, str(number))


async def populate(place: Place, count: int) -> None:
    """So many people with a key each, as their first sealed text would have made it."""
    keyring = place.vault.people.keyring
    for begin in range(0, count, BLOCK):
        keys = [
            Wrapping(person(n), person(-1 - n), AESGCM.generate_key(bit_length=256))
            for n in range(begin, min(count, begin + BLOCK))
        ]
        kek_id, wraps = await keyring.wrap(keys)
        fresh = [
            NewKey(key.key_id, key.owner, 1, kek_id, wrap)
            for key, wrap in zip(keys, wraps, strict=True)
        ]
        await place.store.add(fresh, place.clock.now())


async def use(vault: Vault, count: int, stop: asyncio.Event) -> int:
    """Seal for people and read it again, one after the other, with nothing kept in memory."""
    done = 0
    while not stop.is_set():
        owner = person(done * 7_919 % count)
        binding = Binding("users", "name", owner, owner)
        vault.people.clear()
        [sealed] = await vault.seal_for(owner, [(binding, f"name {done}")])
        vault.people.clear()
        assert await vault.open_for(owner, [(binding, sealed)]) == [f"name {done}"]
        done += 1
    return done


@pytest.mark.parametrize("count", [1_000, pytest.param(100_000, marks=pytest.mark.long)])
async def test_all_keys_are_wrapped_anew_under_load_and_no_read_fails(
    count: int, keys_dsn: str, tmp_path: Path
) -> None:
    await empty(keys_dsn)
    async with open_place(keys_dsn, tmp_path) as place:
        await populate(place, count)
        await place.vault.people.keyring.rotate()
        stop = asyncio.Event()
        users = [asyncio.create_task(use(place.twin(), count, stop)) for _ in range(3)]
        people = place.twin().people

        progress: list[int] = []
        tally = await rewrap_all(
            place.store, people.keyring, on_total=progress.append, on_progress=progress.append
        )
        stop.set()
        done = await asyncio.gather(*users)

        # Keys that were used meanwhile have been moved by their users already.
        assert tally.rewrapped + tally.done_by_others <= progress[0] <= count
        assert tally.lost == 0
        assert min(done) > 0
        assert max(progress[1:]) <= vault_limits.REWRAP_ROWS
        assert [each.data_keys for each in await place.store.uses()] == [0, count]
        await place.vault.people.keyring.destroy(1)
        connection = await asyncpg.connect(keys_dsn)
        try:
            sample = await connection.fetch(
                "SELECT key_id FROM titan_keys.data_keys ORDER BY key_id LIMIT 2000"
            )
        finally:
            await connection.close()
        stored = await place.store.read([row["key_id"] for row in sample])
        assert len(await people.keyring.unwrap(list(stored.values()))) == len(sample)
