"""The courier: brings what is due out of the house, each channel at its own pace.

claim (committed) -> prepare -> carry -> end, or later

What has left is kept in mind until it is written down, however often the database is away, and
nothing is claimed before: else the same letters would leave again.

Any number of processes may run one. A channel whose carrier takes nothing rests, and its tries are
not counted; the other channels go on meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from domain.errors import TitanError, Unavailable
from domain.notification import Channel
from producers.notifications import deliveries, devices, limits
from producers.notifications.channels.port import (
    SEND_S_MAX,
    Carrier,
    Fate,
    Gone,
    Later,
    Letter,
    Refused,
    Sent,
)
from producers.notifications.deliveries import Claimed, End
from producers.notifications.letters import Desk, Hushed, Pointless, Prepared
from runtime import metrics
from runtime.clock import Clock
from runtime.database import Connection, Database

log = structlog.get_logger()

_MARGIN_S: Final = 2.0
"""Beyond what a carrier may take by its own bound."""


@dataclass(slots=True)
class _Rest:
    """Whether a carrier is let alone for the moment."""

    until_s: float = 0.0
    failures: int = 0

    def begin(self, now_s: float, asked_s: float | None) -> None:
        """It took nothing; each time in a row it is let alone for longer."""
        pause_s = min(limits.REST_S * 2**self.failures, limits.REST_S_MAX)
        self.failures = min(self.failures + 1, 16)
        self.until_s = max(self.until_s, now_s + (pause_s if asked_s is None else asked_s))

    def end(self) -> None:
        """It took something."""
        self.failures = 0
        self.until_s = 0.0


class _Tried(NamedTuple):
    """A delivery of which it is known what became, and not yet written down."""

    claimed: Claimed
    prepared: Prepared
    fate: Fate | None
    """None where there was no letter to carry."""


class Courier:
    """Carries what is due by the channels that there is a carrier for."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        carriers: Mapping[Channel, Carrier],
        *,
        clock: Clock,
    ) -> None:
        self._database = database
        self._desk = desk
        self._carriers = carriers
        self._clock = clock
        self._rests = {channel: _Rest() for channel in carriers}
        self._tried: dict[Channel, deque[_Tried]] = {channel: deque() for channel in carriers}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Run until `stop`."""
        loops = [self._carry_always(channel) for channel in self._carriers]
        self._tasks = [asyncio.create_task(loop) for loop in (self._sweep_always(), *loops)]

    async def stop(self) -> None:
        """What is on its way is left: it is due again when its claim is over.

        What is known to have left is written down.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            for channel in self._carriers:
                await self._conclude_tried(channel)
        except TitanError as error:
            log.warning("courier_forgets", error=str(error))
        for carrier in self._carriers.values():
            await carrier.close()

    async def carry_once(self, channel: Channel) -> int:
        """Try what is due of one channel; how many were claimed. Raises Unavailable."""
        await self._conclude_tried(channel)
        if self._clock.monotonic_s() < self._rests[channel].until_s:
            return 0
        # Who comes back from a rest tries one letter, and not a heap that all fails again.
        limit = limits.CLAIM_ROWS_MAX if self._rests[channel].failures == 0 else 1
        now = self._clock.now()
        async with self._database.connection() as connection:
            claimed = await deliveries.claim(connection, channel, now=now, limit=limit)
        if not claimed:
            return 0
        async with self._database.connection() as connection:
            prepared = await self._desk.prepare(connection, channel, claimed, now=now)
        fates = await self._carry(channel, claimed, prepared)
        self._tried[channel].extend(
            _Tried(each, prepared[each.delivery_id], fates.get(each.delivery_id))
            for each in claimed
        )
        await self._conclude_tried(channel)
        return len(claimed)

    async def _carry(
        self, channel: Channel, claimed: Sequence[Claimed], prepared: Mapping[UUID, Prepared]
    ) -> dict[UUID, Fate]:
        letters = [
            letter for each in claimed if isinstance(letter := prepared[each.delivery_id], Letter)
        ]
        fates = await asyncio.gather(*(self._carry_one(channel, letter) for letter in letters))
        rest = self._rests[channel]
        for fate in fates:
            metrics.NOTIFICATIONS_CARRIED.labels(channel, type(fate).__name__.lower()).inc()
        everybodys = [each for each in fates if isinstance(each, Later) and each.is_everybodys]
        if everybodys:
            asked_s = max((each.after_s or 0.0 for each in everybodys), default=0.0)
            rest.begin(self._clock.monotonic_s(), asked_s or None)
            log.warning("carrier_rests", channel=channel, reason=everybodys[0].reason)
        elif fates:
            rest.end()
        return {letter.delivery_id: fate for letter, fate in zip(letters, fates, strict=True)}

    async def _carry_one(self, channel: Channel, letter: Letter) -> Fate:
        try:
            async with asyncio.timeout(SEND_S_MAX + _MARGIN_S):
                return await self._carriers[channel].send(letter)
        except TimeoutError:
            return Later("timeout", is_everybodys=True)
        except Exception:
            # One letter that nobody foresaw must not stop those beside it.
            log.exception("letter_broke", channel=channel, delivery_id=str(letter.delivery_id))
            return Later("defect")

    async def _conclude_tried(self, channel: Channel) -> None:
        """Write down what became of what was tried. Raises Unavailable: the rest is kept."""
        tried = self._tried[channel]
        if not tried:
            return
        begun: _Tried | None = None
        try:
            async with self._database.connection() as connection:
                while tried:
                    begun = tried[0]
                    await self._conclude(connection, begun)
                    tried.popleft()
        except Unavailable:
            raise
        except Exception:
            # What can never be written down must not stop all behind it: its claim will be over.
            if tried and tried[0] is begun:
                tried.popleft()
            raise

    async def _conclude(self, connection: Connection, tried: _Tried) -> None:
        now, claimed = self._clock.now(), tried.claimed
        match tried.prepared:
            case Hushed(until):
                await deliveries.postpone(
                    connection, claimed, "quiet_hours", due_at=until, is_tried=False
                )
                return
            case Pointless(how, reason):
                await deliveries.end(connection, claimed, how, reason, now=now)
                return
            case Letter() as letter:
                fate = tried.fate
        match fate:
            case Sent():
                await deliveries.end(connection, claimed, End.SENT, None, now=now)
            case Refused(reason):
                await deliveries.end(connection, claimed, End.REFUSED, reason, now=now)
            case Gone(reason):
                await self._forget_target(connection, claimed, letter)
                await deliveries.end(connection, claimed, End.UNDELIVERABLE, reason, now=now)
            case Later():
                await self._postpone(connection, claimed, fate)

    async def _forget_target(
        self, connection: Connection, claimed: Claimed, letter: Letter
    ) -> None:
        """A device goes with its token; whose address it is, says the users' edge."""
        if claimed.device_id is not None and letter.registered_at is not None:
            await devices.drop(connection, claimed.device_id, letter.registered_at)

    async def _postpone(self, connection: Connection, claimed: Claimed, fate: Later) -> None:
        pause_s = self._clock.jitter(deliveries.pause_s(claimed.attempts))
        if fate.is_everybodys:
            channel = Channel(claimed.channel)
            pause_s = max(0.0, self._rests[channel].until_s - self._clock.monotonic_s())
        elif fate.after_s is not None:
            pause_s = fate.after_s
        await deliveries.postpone(
            connection,
            claimed,
            fate.reason,
            due_at=self._clock.now() + timedelta(seconds=pause_s),
            is_tried=not fate.is_everybodys,
        )

    async def _carry_always(self, channel: Channel) -> None:
        while True:
            try:
                while await self.carry_once(channel) == limits.CLAIM_ROWS_MAX:
                    pass
            except Unavailable as error:
                log.warning("courier_waits", channel=channel, error=str(error))
                await self._clock.sleep(self._clock.jitter(limits.REST_S))
            except TitanError as error:
                log.error("courier_stuck", channel=channel, error=str(error))  # noqa: TRY400 - it is told in its own words
                await self._clock.sleep(limits.REST_S)
            except Exception:
                log.exception("courier_broke", channel=channel)
                await self._clock.sleep(limits.REST_S)
            await self._clock.sleep(self._clock.jitter(limits.POLL_S))

    async def _sweep_always(self) -> None:
        while True:
            await self._clock.sleep(self._clock.jitter(limits.SWEEP_S))
            try:
                async with self._database.connection() as connection:
                    now = self._clock.now()
                    await deliveries.expire(connection, now=now)
                    await deliveries.forget_old(connection, now=now)
            except TitanError as error:
                log.warning("sweep_waits", error=str(error))
