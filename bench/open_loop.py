"""Load at a fixed rate, whatever the answers do: nobody waits for a slow one before the next.

Every time counts from when a request was meant to be sent, so that a stall of the server, or of
this process, shows in all the requests that it held up (no coordinated omission).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Generic, TypeVar

from runtime import limits
from runtime.clock import Clock

T = TypeVar("T")

Send = Callable[[int, float], Coroutine[None, None, None]]
"""Sends the request of that number, which was meant to leave at that time (monotonic, s)."""


async def at_rate(rate_per_s: float, seconds: float, send: Send, clock: Clock) -> int:
    """Send so often a second, for so long, and wait for all; returns how many."""
    count = int(rate_per_s * seconds)
    began_s = clock.monotonic_s()
    async with asyncio.TaskGroup() as sends:
        for number in range(count):
            intended_s = began_s + number / rate_per_s
            await clock.sleep(max(0.0, intended_s - clock.monotonic_s()))
            sends.create_task(send(number, intended_s))
    return count


class Together(Generic[T]):
    """Hands things on as the edge does: what comes while others are under way goes together."""

    def __init__(self, hand_on: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._hand_on = hand_on
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._in_flight = asyncio.Semaphore(limits.ACCEPT_BATCHES_IN_FLIGHT_MAX)

    async def send(self, thing: T) -> None:
        """Return when it was handed on, or raise what went wrong with its batch."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((thing, done))
        async with self._in_flight:
            taken, self._waiting = self._waiting, []
            if taken:
                await self._send_all(taken)
        await done

    async def _send_all(self, taken: Sequence[tuple[T, asyncio.Future[None]]]) -> None:
        try:
            await self._hand_on([thing for thing, _ in taken])
        except Exception as error:  # noqa: BLE001 - each sender raises it for itself
            for _, done in taken:
                done.set_exception(error)
        else:
            for _, done in taken:
                done.set_result(None)
