"""Load at a fixed rate, whatever the answers do: nobody waits for a slow one before the next.

Every time counts from when a request was meant to be sent, so that a stall of the server, or of
this process, shows in all the requests that it held up (no coordinated omission).
"""

import asyncio
from collections.abc import Callable, Coroutine

from runtime.clock import Clock

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
