"""Wait for a condition, within bounds."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Final

from domain.errors import TitanError
from runtime.clock import SystemClock

POLL_S: Final = 0.05


class StuckError(TitanError):
    """What was waited for did not come: in a campaign that is a finding, not an accident."""


async def until(
    condition: Callable[[], bool | Awaitable[bool]], within_s: float, what: str
) -> None:
    """Return once the condition holds; it may be a coroutine function.

    StuckError, naming `what`, when the time is up.
    """
    clock = SystemClock()
    late_s = clock.monotonic_s() + within_s
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if clock.monotonic_s() >= late_s:
            raise StuckError(f"waited {within_s:.0f} s in vain for {what}")
        await clock.sleep(POLL_S)
