"""The pool: claims what is due, attempts it, and writes down what came of it, over and over.

One loop a process claims and writes, so a claim never waits for its own records. All state is in
PostgreSQL: killed at any moment, what was claimed comes again when its lease is over.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import structlog

from domain.errors import Defect, TitanError, Unavailable
from producers.webhook_delivery import limits, upkeep
from producers.webhook_delivery.claims import Busy, Claim, claim
from producers.webhook_delivery.results import record
from producers.webhook_delivery.sending import Finished, Sender
from projections.webhook_events import adopt_strays
from runtime import metrics
from runtime.clock import Clock
from runtime.database import Connection, Database
from runtime.outgoing import NoTurn, Outgoing
from runtime.settings import Settings
from runtime.vault import connect_vault

log = structlog.get_logger()

Duty = Callable[[Connection, datetime], Awaitable[object]]

_CONNECTIONS: Final = 2
"""One that claims and writes down, one for the upkeep."""


class DeliveryPool:
    """One process's part of the pool."""

    def __init__(self, database: Database, sender: Sender, *, clock: Clock) -> None:
        self._database = database
        self._sender = sender
        self._clock = clock
        self._busy = Busy()
        self._attempts: set[asyncio.Task[None]] = set()
        self._finished: list[Finished] = []
        self._wanted = asyncio.Event()
        self._is_stopping = False
        self._well_s = clock.monotonic_s()

    @property
    def is_well(self) -> bool:
        """Whether a round has ended well within twice a lease."""
        return self._clock.monotonic_s() - self._well_s < 2 * limits.LEASE_S

    async def run(self) -> None:
        """Deliver until `stop`, then end what is on its way."""
        duties = asyncio.create_task(self._keep_up())
        try:
            while not self._is_stopping:
                await self._turn()
            await self._end()
        finally:
            duties.cancel()
            for attempt in self._attempts:
                attempt.cancel()
            await asyncio.gather(duties, *self._attempts, return_exceptions=True)

    def stop(self) -> None:
        """Claim no more."""
        self._is_stopping = True
        self._wanted.set()

    async def round(self) -> bool:
        """Write down what has ended and claim what is due; whether there was any of either."""
        async with self._database.connection() as connection:
            finished = self._finished[: limits.RECORD_ATTEMPTS_MAX]
            if finished:
                await record(connection, finished, clock=self._clock)
                del self._finished[: len(finished)]
            room = limits.IN_FLIGHT_MAX - len(self._attempts)
            claims: list[Claim] = []
            if room > 0 and not self._is_stopping:
                now = self._clock.now()
                claims = await claim(connection, now, busy=self._busy, room=room)
        for each in claims:
            late_s = (self._clock.now() - each.due_at).total_seconds()
            metrics.WEBHOOK_LATE_SECONDS.observe(max(0.0, late_s))
            self._busy.begin(each)
            task = asyncio.create_task(self._attempt(each))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)
        self._well_s = self._clock.monotonic_s()
        return bool(finished or claims)

    async def keep_up(self, duties: tuple[Duty, ...]) -> None:
        """Do these duties once."""
        async with self._database.connection() as connection:
            for duty in duties:
                await duty(connection, self._clock.now())

    async def _turn(self) -> None:
        self._wanted.clear()
        try:
            worked = await self.round()
        except Unavailable as error:
            log.warning("webhooks_wait", error=str(error))
            await self._clock.sleep(self._clock.jitter(limits.REST_S))
            return
        if worked:
            # What ends together is written down together.
            await self._clock.sleep(limits.GATHER_S)
            return
        try:
            async with asyncio.timeout(limits.POLL_S):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _attempt(self, claimed: Claim) -> None:
        try:
            finished = await self._sender.attempt(claimed)
        except NoTurn:
            # Not sent, and nobody's fault: no attempt is burnt and no breaker fed by it.
            metrics.WEBHOOK_ATTEMPTS.labels("no_turn").inc()
        except TitanError as error:
            # Not sent, so not written down: it comes again when its lease is over.
            log.error("webhook_not_sent", endpoint=str(claimed.endpoint_id), error=str(error))  # noqa: TRY400 - one plain line, no trace
        except Exception:
            # A bug of ours: told with its trace, and no reason to drop what others are waiting for.
            log.exception("webhook_not_sent", endpoint=str(claimed.endpoint_id))
        else:
            metrics.WEBHOOK_ATTEMPTS.labels(finished.outcome.value).inc()
            self._finished.append(finished)
        finally:
            self._busy.end(claimed)
            self._wanted.set()

    async def _end(self) -> None:
        """Wait for what is on its way, and write it down."""
        if self._attempts:
            await asyncio.wait(set(self._attempts), timeout=limits.LEASE_S)
        while self._finished:
            await self.round()

    async def _keep_up(self) -> None:
        turns_s = forget_s = 0.0
        while True:
            now_s = self._clock.monotonic_s()
            duties: tuple[Duty, ...] = (adopt_strays, upkeep.set_aside, upkeep.advance_replays)
            if now_s >= turns_s:
                duties, turns_s = (*duties, upkeep.release_turns), now_s + limits.RELEASE_S
            if now_s >= forget_s:
                duties, forget_s = (*duties, upkeep.forget), now_s + limits.RETENTION_S
            try:
                await self.keep_up(duties)
            except TitanError as error:
                log.warning("webhook_upkeep_failed", error=str(error))
            await self._clock.sleep(self._clock.jitter(limits.UPKEEP_S))


@asynccontextmanager
async def open_pool(settings: Settings, *, clock: Clock) -> AsyncIterator[DeliveryPool]:
    """The pool's part in this process, on the servers that the settings name."""
    if settings.postgres_dsn is None:
        raise Defect("set TITAN_POSTGRES_DSN, or start everything with `titan up`")
    dsn = settings.postgres_dsn.get_secret_value()
    vault = await connect_vault(settings, name="webhook-delivery", clock=clock)
    database = await Database.connect(dsn, name="webhook-delivery", size=_CONNECTIONS)
    outgoing = Outgoing(clock=clock, loopback=settings.is_demo)
    if settings.is_demo:
        log.warning("webhooks_may_lead_to_this_machine", profile=settings.profile.value)
    try:
        yield DeliveryPool(database, Sender(outgoing, vault, clock=clock), clock=clock)
    finally:
        outgoing.close()
        await database.close()
        await vault.close()
