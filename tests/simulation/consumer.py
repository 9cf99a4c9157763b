"""What the house uses of aiokafka's consumer, with its manners, the bad ones included.

Positions move when records are handed out, whatever becomes of them. A record that cannot be
parsed raises out of `getmany` after the positions of other partitions have moved. A partition that
was lost raises IllegalStateError. `assignment()` may be stale: a frozen member learns only from
its next heartbeat that it was thrown out.
"""

import asyncio
from collections.abc import KeysView, Sequence

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError

from tests.simulation.broker import Broker, LogRecord
from tests.simulation.coordinator import Group, Pulse
from tests.simulation.nature import Nature
from tests.simulation.weather import HEARTBEAT_S

_FETCH_RECORDS_MAX = 6
"""Of one partition in one fetch: few, so that batches are many."""

_CUT_OFF_POLL_S = 0.2


class SimulatedConsumer:
    """One member of a group."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        group: Group,
        listener: ConsumerRebalanceListener,
        nature: Nature,
    ) -> None:
        self._name = name
        self._broker = broker
        self._group = group
        self._topics = {place.topic for place in group.places}
        self._listener = listener
        self._nature = nature
        self._is_static = nature.weather.is_static
        self._member_id: int | None = None
        self._generation = -1
        self._positions: dict[TopicPartition, int] = {}
        self.is_cut_off = False
        """Cannot reach the group's coordinator; records and appends go other ways."""
        self._is_joining = False
        self._disturbed = asyncio.Event()

    @property
    def is_zombie(self) -> bool:
        """Whether the group has gone on without it."""
        return not self._group.is_member(self._member_id, self._generation)

    # -- Its place in the group ---------------------------------------------------------------
    async def belong(self) -> None:
        """Join, and join again whenever the group is disturbed."""
        while True:
            await self._listener.on_partitions_revoked(set(self._positions))
            self._is_joining = True
            await self._coordinator_reached()
            joined = await self._group.join(self._member_id, self._name, is_static=self._is_static)
            self._member_id, self._generation = joined.member_id, joined.generation
            self._is_joining = False
            self._disturbed.clear()
            await self._coordinator_reached()
            committed = self._group.committed
            self._positions = {place: committed.get(place, 0) for place in joined.places}
            self._nature.trace.note(f"has {len(self._positions)} partitions")
            await self._listener.on_partitions_assigned(set(self._positions))
            await self._disturbed.wait()

    async def beat(self) -> None:
        """Say to the group that it lives, also while it waits for its last batch."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self._coordinator_reached()
            asking = self._member_id, self._generation
            if self._is_joining or self._member_id is None:
                continue
            pulse = self._group.heartbeat(*asking)
            await self._nature.travel()
            if pulse is Pulse.WELL or asking != (self._member_id, self._generation):
                continue
            if pulse is Pulse.UNKNOWN_MEMBER:
                self._member_id = None
            self._disturbed.set()

    async def leave(self) -> None:
        """Go in good order."""
        await self._broker.reached()
        self._group.leave(self._member_id)

    # -- What aiokafka's consumer offers ------------------------------------------------------
    def assignment(self) -> KeysView[TopicPartition]:
        """The partitions it believes to have, in an order that no hash decides."""
        return self._positions.keys()

    def highwater(self, place: TopicPartition) -> int:
        """The end of a partition."""
        return self._broker.end(place)

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Read on from here."""
        self._own(place)
        self._positions[place] = offset

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        """Read on from the first record."""
        for place in places:
            self.seek(place, 0)

    async def position(self, place: TopicPartition) -> int:
        """Where it reads next."""
        self._own(place)
        return self._positions[place]

    async def committed(self, place: TopicPartition) -> int | None:
        """What the group has committed."""
        await self._coordinator_reached()
        return self._group.committed.get(place)

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int = 0, max_records: int = 500
    ) -> dict[TopicPartition, Sequence[LogRecord]]:
        """Some of the next records: in order within a partition, in any order across them."""
        until_s = self._nature.loop.time() + timeout_ms / 1000
        while True:
            await self._broker.reached()
            found = self._drained(places or tuple(self._positions), max_records)
            left_s = until_s - self._nature.loop.time()
            if found or left_s <= 0:
                return found
            await self._broker.arrival(self._topics, left_s)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Commit exactly these."""
        for place in offsets:
            self._own(place)
        member_id, generation = self._member_id, self._generation
        is_lost = self._nature.happens(self._nature.weather.offset_commit_fails)
        await self._coordinator_reached()
        if is_lost and self._nature.happens(0.5):
            raise KafkaConnectionError
        pulse = self._broker.commit_offsets(self._group, member_id, generation, offsets)
        if pulse is not Pulse.WELL:
            self._nature.trace.sometimes("the offsets of a zombie were refused")
        await self._nature.travel()
        if is_lost:
            raise KafkaConnectionError
        if pulse is not Pulse.WELL:
            raise CommitFailedError

    def _drained(
        self, places: Sequence[TopicPartition], records_max: int
    ) -> dict[TopicPartition, Sequence[LogRecord]]:
        found: dict[TopicPartition, Sequence[LogRecord]] = {}
        waiting = [
            place
            for place in places
            if place in self._positions and self._positions[place] < self._broker.end(place)
        ]
        self._nature.random.shuffle(waiting)
        for place in waiting[: self._nature.random.randint(1, 4)]:
            count = min(records_max, self._nature.random.randint(1, _FETCH_RECORDS_MAX))
            start = self._positions[place]
            records = self._broker.log[place][start : start + count]
            if any(record.is_unreadable for record in records):
                self._nature.trace.sometimes("a record could not be parsed")
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
            found[place] = records
            self._positions[place] = start + len(records)
            records_max -= len(records)
            if records_max == 0:
                break
        return found

    async def _coordinator_reached(self) -> None:
        await self._broker.reached()
        while self.is_cut_off:  # noqa: ASYNC110 - it finds out at a time of its own
            await asyncio.sleep(_CUT_OFF_POLL_S)

    def _own(self, place: TopicPartition) -> None:
        if place not in self._positions:
            raise IllegalStateError(f"{place} is not assigned")
