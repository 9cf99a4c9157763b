"""The gate between a stage's batches and its consumer's rebalances."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition

from runtime import limits
from runtime.crash_points import Point, crash_point

log = structlog.get_logger()


class Gate(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types
    """Holds a planned rebalance until the batch in progress is done.

    Without it the next owner starts the very records that this one still works on. It cannot stop
    an eviction: correctness comes from the inbox, this only saves work.
    """

    def __init__(self, room: str = "") -> None:
        self.generation = 0
        self._room = room
        self._open = True
        self._idle = asyncio.Event()
        self._idle.set()
        self._before_release: Callable[[], Awaitable[None]] | None = None

    def enter(self) -> bool:
        """Begin a batch; False while partitions change hands."""
        if not self._open:
            return False
        self._idle.clear()
        return True

    def leave(self) -> None:
        """End a batch."""
        self._idle.set()

    def before_release(self, act: Callable[[], Awaitable[None]]) -> None:
        """Call this after the last batch and before the partitions are given up."""
        self._before_release = act

    @property
    def closing(self) -> bool:
        """Whether a rebalance or the end waits for this batch."""
        return not self._open

    async def close(self) -> None:
        """Let nothing new begin, wait, within bounds, for what has begun, and round it off."""
        self._open = False
        try:
            async with asyncio.timeout(limits.REVOKE_WAIT_S):
                await self._idle.wait()
                if self._before_release is not None:
                    await self._before_release()
        except TimeoutError:
            log.warning("released_mid_batch")

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """Finish before the partitions change hands."""
        try:
            crash_point(self._room, Point.REVOKE_BEFORE)
            if not self._idle.is_set():
                log.info("rebalance_waits_for_batch", stage=self._room)
            await self.close()
            self.generation += 1
            crash_point(self._room, Point.REVOKE_AFTER)
        except asyncio.CancelledError:
            # The library's own task has ended, so nothing will ever be assigned again. The reader
            # hears of that where it fetches, and must get there.
            self._open = True
            raise

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Open again; positions are those that were committed."""
        try:
            crash_point(self._room, Point.ASSIGN_BEFORE)
            self.generation += 1
            log.info("assigned", stage=self._room, partitions=len(assigned))
            crash_point(self._room, Point.ASSIGN_AFTER)
        finally:
            # Whatever happens: closed, the stage would look alive and do nothing.
            self._open = True
