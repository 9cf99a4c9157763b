"""Tails: topics followed to keep something up to date, by one who knows whether it is.

A cache may be believed only while what changes it arrives. A tail proves that again and again: it
asks where its topics end, and is fresh as of that question once it has handled all before that
end. A broker that is away, a process that was stopped and one that is overwhelmed all look the
same: no proof, not fresh.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiokafka.errors import KafkaError

from domain.errors import Unavailable
from runtime import limits
from runtime.clock import Clock
from runtime.follow import Follower
from runtime.vigil import Vigil
from schemas.event import Event

log = structlog.get_logger()

OnEvents = Callable[[Sequence[Event]], Awaitable[None]]
"""Handles events in order within each partition. Must not raise: what it cannot do it notes."""


class Tail:
    """Hands on every event from where its follower begins, whatever happens to the broker.

    `on_start` is told each time the tail takes that place anew, without knowing what came between.
    """

    def __init__(
        self,
        make_follower: Callable[[], Follower],
        *,
        on_start: Callable[[], None],
        on_events: OnEvents,
        clock: Clock,
    ) -> None:
        self._make_follower = make_follower
        self._on_start = on_start
        self._on_events = on_events
        self._clock = clock
        self._fresh_until_s = 0.0
        self._handling = False
        self._advanced_s = 0.0
        self._moved = asyncio.Event()
        self._proven = asyncio.Event()
        # One that has ended is fresh no more, and nobody begins it again.
        self._vigil = Vigil("tail_ended_unasked")
        self._has_started = False

    @property
    def is_fresh(self) -> bool:
        """Whether all that was in the topics TAIL_FRESH_S_MAX ago has been handled."""
        return self._clock.monotonic_s() < self._fresh_until_s

    @property
    def has_started(self) -> bool:
        """Whether `start` was called."""
        return self._has_started

    async def fresh_within(self, wait_s: float) -> bool:
        """Whether it is fresh, or becomes so within the wait."""
        if self.is_fresh:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self.is_fresh:
                    self._proven.clear()
                    await self._proven.wait()
        return self.is_fresh

    def start(self) -> None:
        """Begin; a broker that is down is tried again until it answers."""
        self._has_started = True
        self._vigil.keep(self._run(), name="following")

    async def stop(self) -> None:
        """End. What goes on without the tail must not believe it."""
        self._fresh_until_s = 0.0
        await self._vigil.ended()

    async def _run(self) -> None:
        while True:
            try:
                await self._follow_anew()
            except (Unavailable, KafkaError, OSError) as error:
                log.warning("tail_lost_its_place", error=type(error).__name__)
            except Exception:
                log.exception("tail_broke")
            await self._clock.sleep(self._clock.jitter(limits.TAIL_RESTART_S))

    async def _follow_anew(self) -> None:
        follower = self._make_follower()
        try:
            await follower.start()
            self._on_start()
            await self._follow(follower)
        finally:
            self._fresh_until_s = 0.0
            self._handling = False
            # May fail as well: then too the tail begins again.
            await follower.stop()

    async def _follow(self, follower: Follower) -> None:
        self._advanced_s = self._clock.monotonic_s()
        proving = asyncio.create_task(self._prove_always(follower))
        try:
            while True:
                followed = await follower.poll()
                # No await since the follower counted these as handed out: a proof cannot slip in.
                self._handling = True
                if followed:
                    await self._on_events([each.delivered.event for each in followed])
                    self._advanced_s = self._clock.monotonic_s()
                self._handling = False
                self._moved.set()
                if proving.done():
                    proving.result()
        finally:
            proving.cancel()
            await asyncio.wait([proving])

    async def _prove_always(self, follower: Follower) -> None:
        while True:
            with contextlib.suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(limits.TAIL_PROOF_S_MAX):
                    await self._prove(follower)
                    self._advanced_s = self._clock.monotonic_s()
            quiet_s = self._clock.monotonic_s() - self._advanced_s
            if quiet_s > limits.TAIL_STUCK_S and not self._handling:
                # Whatever the client library has lost, new connections do not have to find again.
                raise Unavailable(
                    "a tail is neither told anything nor can prove that there is none"
                )
            await self._clock.sleep(limits.TAIL_PROOF_S)

    async def _prove(self, follower: Follower) -> None:
        asked_s = self._clock.monotonic_s()
        end = await follower.end()
        while self._handling or not await follower.has_passed(end):
            self._moved.clear()
            await self._moved.wait()
        self._fresh_until_s = asked_s + limits.TAIL_FRESH_S_MAX
        self._proven.set()
