"""A circuit breaker: a dependency that does not answer is not asked again for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from domain.errors import Unavailable
from runtime.clock import Clock

Answer = TypeVar("Answer")


class Circuit:
    """Asks a dependency one may do without, with a bound on the wait.

    After a failure it stays open for `rest_s`, during which nobody waits; then one caller tries
    while the others still go without.
    """

    def __init__(self, *, wait_s_max: float, rest_s: float, clock: Clock) -> None:
        self._wait_s_max = wait_s_max
        self._rest_s = rest_s
        self._clock = clock
        self._closed_from_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the dependency is given up for the moment."""
        return self._clock.monotonic_s() < self._closed_from_s

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer; Unavailable if there is none in time, or at once while the circuit is open.

        What the dependency's library raises when it is down must be Unavailable by then.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._closed_from_s:
            raise Unavailable("the circuit is open")
        was_broken = self._closed_from_s > 0.0
        if was_broken:
            # This call is the trial: until it answers, the others go without.
            self._closed_from_s = now_s + self._wait_s_max
        try:
            async with asyncio.timeout(self._wait_s_max):
                answer = await question()
        except (Unavailable, TimeoutError) as error:
            self._closed_from_s = self._clock.monotonic_s() + self._rest_s
            raise Unavailable("no answer in time") from error
        self._closed_from_s = 0.0
        return answer
