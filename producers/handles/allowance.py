"""The meter before each look-up of a signed-in caller, with as few writes as it can.

A process draws a few look-ups' worth of tokens at once from the caller's bucket, and spends them
from memory; what is not spent goes back soon. A process that dies loses what it had drawn: callers
get less for a while, never more. For every look-up in progress the price of a miss is set aside,
so that many at once find out no more than one after the other.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from domain.errors import Unavailable
from producers.handles.buckets import MISS, PLANS, Want, draw_all
from runtime import limits
from runtime.clock import Clock
from runtime.database import Database
from runtime.http.caller import Caller, Kind
from runtime.http.problem import ProblemError

LEASE: Final = 2 * MISS
"""Thousandths of a token that a process draws beside what it needs at once."""

LEASE_S: Final = 5.0
"""What a caller has not used for so long goes back into the bucket."""

DRAWS_MAX: Final = 500
"""Callers whose buckets are drawn from in one transaction."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Lease:
    """What this process has drawn for one caller and not spent."""

    kind: Kind
    used_s: float
    tokens: int = 0
    waiters: list["asyncio.Future[bool]"] = field(default_factory=list)
    """Those who wait for a draw, until they are told whether it gave all that was wanted."""


class Allowance:
    """Lets a caller look up while their bucket lasts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._thirsty: set[str] = set()
        self._drawing: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to give back what is not used."""
        self._returning = asyncio.create_task(self._return_always())

    async def close(self) -> None:
        """Give everything back; what the database does not take is lost until it fills again."""
        tasks = [task for task in (self._returning, self._drawing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for waiter in (each for lease in self._leases.values() for each in lease.waiters):
            waiter.cancel()
        await self._return(lambda _: True)

    async def take(self, caller: Caller) -> Callable[[int], None]:
        """Set the price of a miss aside; call what is returned with what the look-up has cost.

        The caller is of a kind in PLANS. ProblemError 429 when the bucket is empty; Unavailable
        when it cannot be asked.
        """
        lease = self._leases.get(caller.client_id)
        if lease is None:
            lease = _Lease(caller.kind, 0.0)
            self._leases[caller.client_id] = lease
        lease.used_s = self._clock.monotonic_s()
        while lease.tokens < MISS:
            is_full = await self._drawn(caller.client_id, lease)
            # A bucket that gave less is empty, however little that was: time fills it while it is
            # asked, so it hardly ever gives nothing. One that gave all of it is asked again, for
            # others were quicker to spend it.
            if not is_full and lease.tokens < MISS:
                wait_s = (MISS - lease.tokens) / PLANS[caller.kind].per_second
                raise ProblemError(
                    429,
                    "lookups_exhausted",
                    "too many look-ups, and those that find nobody count most; wait, or pay",
                    headers={"Retry-After": str(math.ceil(wait_s))},
                )
        lease.tokens -= MISS

        def settle(cost: int) -> None:
            # The lease may have gone back meanwhile: then there is a new one, or none.
            held = self._leases.setdefault(caller.client_id, lease)
            held.tokens += MISS - cost

        return settle

    def _drawn(self, client_id: str, lease: _Lease) -> "asyncio.Future[bool]":
        """The next draw for this caller, together with all others who wait for one.

        Tells whether the bucket gave all that was wanted.
        """
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        lease.waiters.append(waiter)
        self._thirsty.add(client_id)
        if self._drawing is None or self._drawing.done():
            self._drawing = asyncio.create_task(self._draw_thirsty())
        return waiter

    async def _draw_thirsty(self) -> None:
        while self._thirsty:
            chosen = [self._thirsty.pop() for _ in range(min(len(self._thirsty), DRAWS_MAX))]
            served = {
                client_id: lease
                for client_id in chosen
                if (lease := self._leases.get(client_id)) is not None
            }
            # They stay in the lease, so that it is not taken for idle; who comes while these are
            # served waits for the next draw.
            waiting = {client_id: list(lease.waiters) for client_id, lease in served.items()}
            try:
                await self._serve(served, waiting)
            except Exception as error:  # noqa: BLE001 - belongs to those who wait
                for waiter in (each for waiters in waiting.values() for each in waiters):
                    if not waiter.done():
                        waiter.set_exception(error)
            for client_id, lease in served.items():
                del lease.waiters[: len(waiting[client_id])]

    async def _serve(
        self,
        served: Mapping[str, _Lease],
        waiting: Mapping[str, list["asyncio.Future[bool]"]],
    ) -> None:
        """Draw for these leases once, and tell those who wait."""
        wants = {
            client_id: Want(PLANS[lease.kind], LEASE + MISS * len(waiting[client_id]))
            for client_id, lease in served.items()
        }
        drawn = await self._draw(wants)
        for client_id, lease in served.items():
            lease.tokens += drawn[client_id]
            # The draw itself may have taken longer than a lease may lie idle.
            lease.used_s = self._clock.monotonic_s()
            for waiter in waiting[client_id]:
                if not waiter.done():
                    waiter.set_result(drawn[client_id] == wants[client_id].tokens)

    async def _draw(self, wants: Mapping[str, Want]) -> dict[str, int]:
        try:
            async with asyncio.timeout(limits.LOOKUP_S_MAX), self._database.connection() as held:
                return await draw_all(held, wants, now=self._clock.now())
        except TimeoutError as error:
            raise Unavailable("the buckets of look-ups took too long") from error

    async def _return_always(self) -> None:
        while True:
            await self._clock.sleep(LEASE_S / 2)
            await self._return(self._is_idle)

    def _is_idle(self, lease: _Lease) -> bool:
        return not lease.waiters and lease.used_s < self._clock.monotonic_s() - LEASE_S

    async def _return(self, is_due: Callable[[_Lease], bool]) -> None:
        due = {client_id: lease for client_id, lease in self._leases.items() if is_due(lease)}
        for client_id in due:
            del self._leases[client_id]
        wants = {
            client_id: Want(PLANS[lease.kind], -lease.tokens)
            for client_id, lease in due.items()
            if lease.tokens
        }
        for lease in due.values():
            lease.tokens = 0
        if wants:
            try:
                await self._draw(wants)
            except Unavailable as error:
                log.warning("lookups_not_given_back", callers=len(wants), error=str(error))
