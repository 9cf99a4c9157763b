"""Wait for a row to change: one LISTEN connection a process, one query for all who wait.

A notification is only a hint that something changed. It can be lost with the connection, so rows
that are waited for are looked at several times a second in any case.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import asyncpg
import structlog

from domain.errors import Unavailable
from runtime import limits
from runtime.clock import Clock
from runtime.database import Connection
from runtime.slow import said_if_slow
from runtime.vigil import Vigil

log = structlog.get_logger()

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Load = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]
"""The present values of these keys in one query; a key that has none yet is absent."""

_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


async def notify(connection: Connection, channel: str) -> None:
    """Tell those who listen to the channel that something changed, once this transaction commits.

    Repeats within one transaction are told once.
    """
    await connection.execute("SELECT pg_notify($1, '')", channel)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter(Generic[V]):
    predicate: Callable[[V], bool]
    seen: "asyncio.Future[V]"

    def look(self, value: V) -> None:
        if self.seen.done():
            return
        try:
            if self.predicate(value):
                self.seen.set_result(value)
        except Exception as error:  # noqa: BLE001 - belongs to the one who waits, not to the feed
            self.seen.set_exception(error)

    def fail(self, error: Exception) -> None:
        if not self.seen.done():
            self.seen.set_exception(error)


class Feed(Generic[K, V]):
    """The values of one table for those who wait; `Changes.feed` makes them."""

    def __init__(self, load: Load[K, V], *, clock: Clock, poll_s: float, name: str = "") -> None:
        self._load = load
        self._name = name
        self._clock = clock
        self._poll_s = poll_s
        self._waiters: dict[K, list[_Waiter[V]]] = {}
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()

    async def wait_for(
        self, key: K, predicate: Callable[[V], bool], *, timeout_s: float
    ) -> V | None:
        """The key's first value seen that fulfils the predicate; None if the time runs out.

        Looks at once. Does not see values that came and went between two looks. Unavailable when
        too many wait.
        """
        if len(self._waiters) >= limits.WAITERS_MAX:
            raise Unavailable("too many requests wait for a change")
        waiter: _Waiter[V] = _Waiter(predicate, asyncio.get_running_loop().create_future())
        self._waiters.setdefault(key, []).append(waiter)
        self._wanted.set()
        self._changed.set()
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter.seen
        except TimeoutError:
            return None
        finally:
            self._forget(key, waiter)

    def hint(self) -> None:
        """Something changed: look soon."""
        self._changed.set()

    async def run(self) -> None:
        """Look for those who wait, for ever; sleeps while nobody does."""
        while True:
            await self._wanted.wait()
            with contextlib.suppress(TimeoutError):
                # Not `asyncio.wait_for`: it forgets a cancellation that meets the end of its wait.
                async with asyncio.timeout(self._poll_s):
                    await self._changed.wait()
            self._changed.clear()
            began_s = self._clock.monotonic_s()
            with said_if_slow("look", self._clock, feed=self._name):
                has_seen = await self._look()
            took_s = self._clock.monotonic_s() - began_s
            # Half the time at most goes into looking, however often something changes. But a look
            # that waited and failed has cost those who wait enough of their time.
            await self._clock.sleep(took_s if has_seen else min(took_s, self._poll_s))

    async def _look(self) -> bool:
        """Show those who wait what there is; whether it could be had."""
        waiting = {key: list(waiters) for key, waiters in self._waiters.items()}
        if not waiting:
            return True
        try:
            for key, value in (await self._load(list(waiting))).items():
                for waiter in waiting[key]:
                    waiter.look(value)
        except Unavailable as error:
            log.warning("look_failed", feed=self._name, error=str(error))
            return False
        except Exception as error:
            log.exception("looking for changes failed")
            for waiter in (waiter for waiters in waiting.values() for waiter in waiters):
                waiter.fail(error)
            return False
        return True

    def _forget(self, key: K, waiter: _Waiter[V]) -> None:
        waiters = self._waiters[key]
        waiters.remove(waiter)
        if not waiters:
            del self._waiters[key]
        if not self._waiters:
            self._wanted.clear()


class Changes:
    """Listens for all feeds of a process, and comes back by itself when the connection is lost."""

    def __init__(self, dsn: str, *, name: str, clock: Clock) -> None:
        self._dsn = dsn
        self._name = name
        self._clock = clock
        self._feeds: dict[str, list[Feed[Any, Any]]] = {}
        # Whoever waits for what an ended task told would wait in vain, and hear nothing.
        self._vigil = Vigil("changes_ended_unasked")

    def feed(
        self, channel: str, load: Load[K, V], *, poll_s: float = limits.CHANGES_POLL_S
    ) -> Feed[K, V]:
        """The values that `load` finds, looked at after each hint on the channel.

        Make all feeds before `start`.
        """
        feed = Feed(load, clock=self._clock, poll_s=poll_s, name=channel)
        self._feeds.setdefault(channel, []).append(feed)
        return feed

    def start(self) -> None:
        """Begin; a server that is down is met by polling and by trying again."""
        self._vigil.keep(self._listen_always(), name="listening")
        for channel, feeds in self._feeds.items():
            for feed in feeds:
                self._vigil.keep(feed.run(), name=channel)

    async def stop(self) -> None:
        """End; those who still wait get no value until their time runs out."""
        await self._vigil.ended()

    async def _listen_always(self) -> None:
        while True:
            try:
                await self._listen()
            except _LOST as error:
                log.warning("not listening for changes", error=type(error).__name__)
            except Exception:
                log.exception("listening for changes failed")
            await self._clock.sleep(self._clock.jitter(limits.CHANGES_RECONNECT_S))

    async def _listen(self) -> None:
        """Listen until the connection is lost."""
        connection = await asyncpg.connect(
            self._dsn,
            timeout=limits.DATABASE_CONNECT_S_MAX,
            command_timeout=limits.DATABASE_COMMAND_S_MAX,
            server_settings={"application_name": f"titan-{self._name}-changes"},
        )
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            for channel in self._feeds:
                await connection.add_listener(channel, self._on_notification)
            self._hint_all()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(limits.CHANGES_HEARTBEAT_S):
                        await lost.wait()
                except TimeoutError:
                    # A peer that vanished without goodbye is noticed by its silence.
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    def _on_notification(self, _: object, __: int, channel: str, ___: object) -> None:
        for feed in self._feeds[channel]:
            feed.hint()

    def _hint_all(self) -> None:
        """What changed while nobody listened was not told."""
        for feed in (feed for feeds in self._feeds.values() for feed in feeds):
            feed.hint()
