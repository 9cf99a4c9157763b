"""Wrap all data keys under the newest key-encryption key, while everybody goes on working.

Safe to break off and to run again, and beside itself: a wrap is replaced only while it still is
under the key that was read. A data key stays what it is, so texts open before, during and after.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain.errors import Invalid
from runtime.vault import limits
from runtime.vault.keyring import Keyring
from runtime.vault.people import rewrapped
from runtime.vault.store import KeyStore, Rewrapped, StoredKey

_FIRST: Final = UUID(int=0)


@dataclass(slots=True)
class Tally:
    """What a run came to. `lost` are wraps that do not open: their texts are lost already."""

    rewrapped: int = 0
    done_by_others: int = 0
    lost: int = 0


async def rewrap_all(
    store: KeyStore,
    keyring: Keyring,
    *,
    on_total: Callable[[int], None],
    on_progress: Callable[[int], None],
) -> Tally:
    """Replace every older wrap; tells how many there are, and how many more are done.

    Raises Unavailable; what was replaced by then stays.
    """
    keyring.clear()
    newest = await keyring.newest()
    older = [use for use in await store.uses() if use.kek_id != newest.kek_id and use.data_keys]
    on_total(sum(use.data_keys for use in older))
    tally = Tally()
    after = _FIRST
    while older:
        keys = await store.wrapped_under(
            [use.kek_id for use in older], after=after, limit=limits.REWRAP_ROWS
        )
        if not keys:
            break
        await _rewrap(store, keyring, keys, tally)
        after = keys[-1].key_id
        on_progress(len(keys))
    return tally


async def _rewrap(
    store: KeyStore, keyring: Keyring, keys: Sequence[StoredKey], tally: Tally
) -> None:
    try:
        renewed = await rewrapped(keyring, keys)
    except Invalid:
        if len(keys) == 1:
            tally.lost += 1
            return
        # One of them does not open; the others must not suffer for it.
        for key in keys:
            await _rewrap(store, keyring, [key], tally)
        return
    done = await store.rewrap(
        [
            Rewrapped(key.key_id, key.kek_id, new.kek_id, new.wrapped)
            for key, new in zip(keys, renewed, strict=True)
        ]
    )
    tally.rewrapped += done
    tally.done_by_others += len(keys) - done
