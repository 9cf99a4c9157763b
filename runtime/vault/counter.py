"""Counts what is sealed under the house's key, which everybody who is no person shares.

A person's key is counted by reserving messages ahead (people.py). The house's key seals without
asking anybody, so its count is written down afterwards: a killed process leaves out what it sealed
within the last interval, which is why the alarm stands at a sixteenth of what the key may seal.
"""

import asyncio

import structlog

from domain.errors import TitanError
from runtime import metrics
from runtime.clock import Clock
from runtime.vault import limits
from runtime.vault.house import HouseKeys
from runtime.vault.store import KeyStore

log = structlog.get_logger()


class HouseCounter:
    """Adds up one process's share, once a while and at the end."""

    def __init__(self, house: HouseKeys, store: KeyStore, *, clock: Clock) -> None:
        self._house = house
        self._store = store
        self._clock = clock
        self._written = 0
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Count until `stop`."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write the rest down."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.write()

    async def write(self) -> None:
        """Write down what was sealed since; without a store it is kept for the next time."""
        sealed = self._house.sealed - self._written
        if not sealed:
            return
        try:
            async with asyncio.timeout(limits.HOUSE_COUNT_S_MAX):
                total = await self._store.count_house(self._house.key_id, sealed)
        except (TitanError, TimeoutError) as error:
            # Nobody's work hangs on the count, least of all the end of a process.
            log.warning("vault_count_waits", error=type(error).__name__)
            return
        self._written += sealed
        metrics.VAULT_HOUSE_MESSAGES.set(total)
        if total > limits.MESSAGES_ALARM:
            log.error("vault_house_key_worn", key_id=str(self._house.key_id), messages=total)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(limits.HOUSE_COUNT_S)
            await self.write()
