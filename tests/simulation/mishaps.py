"""What goes wrong around the processes while clients pay: outages, operators, garbage, deploys."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition

from domain.errors import Unavailable
from schemas.wire import Message
from tests.simulation.broker import LogRecord, known_topics
from tests.simulation.client import PEOPLE, STRANGER, TREASURY

if TYPE_CHECKING:
    from tests.simulation.world import World

RESTART_S_MAX: Final = 2.0
"""A supervisor starts a dead process again within this."""

FROZEN_S_MAX: Final = 20.0
_DEPLOY_S_MAX: Final = 60.0
_CUT_OFF_S_MAX: Final = 15.0
_OUTAGE_S_MAX: Final = 4.0


@dataclass(frozen=True, slots=True)
class Garbage:
    """A record that somebody put on a topic and nobody can understand."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    is_unreadable: bool


class Mishaps:
    """Draws one after the other until the weather clears."""

    def __init__(self, world: "World") -> None:
        self.garbage: list[Garbage] = []
        self._world = world
        self._nature = world.nature
        self._random = world.nature.random
        self._kinds: list[Callable[[], Awaitable[None]]] = [
            self._kill,
            self._freeze,
            self._deploy,
            self._deploy,
            self._database_away,
            self._broker_away,
            self._member_cut_off,
            self._member_cut_off,
            self._cache_away,
            self._cache_erased,
            self._handle_ported,
            self._handle_ported,
            self._account_frozen,
            self._coordinator_fails_over,
            self._garbage,
            self._garbage,
            self._twin_record,
        ]

    @property
    def places(self) -> set[tuple[str, int, int]]:
        """Topic, partition and offset of every garbage."""
        return {(each.topic, each.partition, each.offset) for each in self.garbage}

    async def go_on(self) -> None:
        """One mishap after the other, each in its own time."""
        while True:
            pause_s = self._nature.weather.mishap_pause_s
            await asyncio.sleep(pause_s * self._random.uniform(0.2, 1.8))
            self._world.driver.spawn(self._one(self._random.choice(self._kinds)))

    async def _one(self, mishap: Callable[[], Awaitable[None]]) -> None:
        self._nature.trace.note(mishap.__name__.strip("_").replace("_", " "))
        await mishap()

    async def _kill(self) -> None:
        self._world.kill(self._random.choice(self._world.mortals()))

    async def _freeze(self) -> None:
        self._world.freeze(
            self._random.choice(self._world.mortals()), self._random.random() * FROZEN_S_MAX
        )

    async def _deploy(self) -> None:
        """Stop a process in good order and start it again."""
        member = self._random.choice(self._world.members)
        if not member.process.is_alive or member.process.is_frozen:
            return
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        member.stop(ended)
        try:
            async with asyncio.timeout(_DEPLOY_S_MAX):
                await ended
        except TimeoutError:
            # Killed meanwhile: then the supervisor starts it again.
            return
        self._nature.trace.sometimes("a process ended in good order")
        await asyncio.sleep(self._random.random() * RESTART_S_MAX)
        self._world.start(member)

    async def _database_away(self) -> None:
        server = self._world.server
        if not server.is_down:
            server.stop()
            await asyncio.sleep(self._random.random() * _OUTAGE_S_MAX)
            server.is_down = False

    async def _broker_away(self) -> None:
        self._world.broker.is_down = True
        await asyncio.sleep(self._random.random() * _OUTAGE_S_MAX)
        self._world.broker.is_down = False

    async def _member_cut_off(self) -> None:
        """It works on while the broker takes it for dead: the worst kind of zombie."""
        consumer = self._random.choice(self._world.members).consumer
        consumer.is_cut_off = True
        await asyncio.sleep(self._random.random() * _CUT_OFF_S_MAX)
        consumer.is_cut_off = False

    async def _cache_away(self) -> None:
        self._world.cache.is_down = True
        await asyncio.sleep(self._random.random() * _OUTAGE_S_MAX)
        self._world.cache.is_down = False

    async def _cache_erased(self) -> None:
        self._world.cache.erase()

    async def _handle_ported(self) -> None:
        handle = self._random.choice([*PEOPLE, STRANGER])
        self._world.name(handle, self._random.choice([*PEOPLE, None]))

    async def _account_frozen(self) -> None:
        account_id = self._world.accounts[self._random.choice([*PEOPLE, TREASURY])]
        ledger = self._world.ledger
        for act in (ledger.freeze, ledger.unfreeze):
            while True:
                try:
                    async with self._world.server.begin() as unit:
                        await act([account_id], unit=unit)
                    break
                except Unavailable:
                    await asyncio.sleep(0.2)
            await asyncio.sleep(self._random.random() * _OUTAGE_S_MAX)

    async def _coordinator_fails_over(self) -> None:
        groups = self._world.broker.groups
        groups[self._random.choice(sorted(groups))].fail_over()

    async def _garbage(self) -> None:
        """A record that is broken in one way, on any topic that is read."""
        records = self._whole_records()
        if not records:
            return
        record = self._random.choice(records)
        good = _message_of(record)
        headers = [(name, value) for name, value in good.headers if name != "ce_id"]
        broken: Message = self._random.choice(
            [
                good._replace(value=b"\x00\xff garbage"),
                good._replace(value=None),  # type: ignore[arg-type] # a tombstone
                good._replace(headers=headers),
                good._replace(headers=[*headers, ("ce_id", b"\xff" * 36)]),
                good._replace(headers=[*good.headers, ("ce_type", b"payment.paid.v1")]),
                good._replace(value=good.value.replace(b'"payment_id"', b'"payment"')),
            ]
        )
        is_unreadable = self._random.random() < 0.2
        topic, partition = record.topic, record.partition
        place = TopicPartition(topic, partition)
        offset = self._world.broker.end(place)
        self.garbage.append(Garbage(topic, partition, offset, broken.value, is_unreadable))
        self._world.broker.append(place, broken, is_unreadable=is_unreadable)

    async def _twin_record(self) -> None:
        """A record comes a second time, as after a producer's retry."""
        records = self._whole_records()
        if records:
            record = self._random.choice(records)
            place = TopicPartition(record.topic, record.partition)
            self._world.broker.append(place, _message_of(record))

    def _whole_records(self) -> list[LogRecord]:
        """What was published on the topics that are read."""
        bad = self.places
        return [
            record
            for place, records in sorted(self._world.broker.log.items())
            if place.topic in known_topics()
            for record in records
            if (*place, record.offset) not in bad
        ]


def _message_of(record: LogRecord) -> Message:
    headers = [(name, value or b"") for name, value in record.headers]
    return Message(record.topic, record.key or b"", record.value or b"", headers)
