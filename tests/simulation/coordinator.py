"""A consumer group as the broker keeps it: members, generations, committed offsets.

The pieces of Kafka's group protocol that decide who works on what: sessions that expire, joins
that wait for everybody, generations that fence the commits of those who were thrown out, and
names that survive a restart (static membership).
"""

import asyncio
import itertools
from dataclasses import dataclass
from enum import Enum

from aiokafka import TopicPartition

from tests.simulation.loop import Process
from tests.simulation.nature import Nature
from tests.simulation.weather import REBALANCE_S, SESSION_S


@dataclass(frozen=True, slots=True)
class Joined:
    """What a member is told at the end of a rebalance."""

    member_id: int
    generation: int
    places: list[TopicPartition]


class Pulse(Enum):
    """The answer to a heartbeat or a commit."""

    WELL = "well"
    REBALANCE = "rebalance"
    UNKNOWN_MEMBER = "unknown member"


@dataclass
class _Member:
    name: str
    seen_s: float
    places: list[TopicPartition]
    joining: asyncio.Future[Joined] | None = None


class Group:
    """One group. Its own steps are the broker's."""

    def __init__(
        self, name: str, places: list[TopicPartition], broker: Process, nature: Nature
    ) -> None:
        self.name = name
        self.places = places
        self.committed: dict[TopicPartition, int] = {}
        self.generation = 0
        self._members: dict[int, _Member] = {}
        self._ids = itertools.count(1)
        self._rounds = 0
        self._is_stable = True
        self._broker = broker
        self._nature = nature

    def is_member(self, member_id: int | None, generation: int) -> bool:
        """Whether this member may commit."""
        return member_id in self._members and generation == self.generation

    def join(self, member_id: int | None, name: str, *, is_static: bool) -> asyncio.Future[Joined]:
        """Ask for a share; answered when everybody has asked, or was thrown out."""
        answer: asyncio.Future[Joined] = asyncio.get_running_loop().create_future()
        now_s = self._nature.loop.time()
        member = self._members.get(member_id) if member_id is not None else None
        if member is None:
            member_id = next(self._ids)
            member = _Member(name, now_s, [])
            before = self._named(name) if is_static else None
            if before is not None:
                member.places = self._members.pop(before).places
            self._members[member_id] = member
            if before is not None and self._is_stable:
                # A restart within its session: the same share, and nobody else is disturbed.
                self._watch(member_id)
                answer.set_result(Joined(member_id, self.generation, member.places))
                return answer
        member.joining = answer
        self._begin()
        self._complete_if_all_joined()
        return answer

    def heartbeat(self, member_id: int | None, generation: int) -> Pulse:
        """A member says that it lives."""
        member = self._members.get(member_id) if member_id is not None else None
        if member is None or member_id is None:
            return Pulse.UNKNOWN_MEMBER
        self._watch(member_id)
        if not self._is_stable or generation != self.generation:
            return Pulse.REBALANCE
        return Pulse.WELL

    def leave(self, member_id: int | None) -> None:
        """A member goes in good order."""
        if member_id is not None and member_id in self._members:
            self._remove(member_id)

    def commit(
        self, member_id: int | None, generation: int, offsets: dict[TopicPartition, int]
    ) -> Pulse:
        """Note where each partition is to be begun, unless the member was thrown out."""
        if member_id not in self._members:
            return Pulse.UNKNOWN_MEMBER
        if generation != self.generation:
            return Pulse.REBALANCE
        self.committed.update(offsets)
        return Pulse.WELL

    def fail_over(self) -> None:
        """Another broker keeps the group from now on; the newest commits died with the old one."""
        random = self._nature.random
        for place, offset in self.committed.items():
            self.committed[place] = random.randint(max(0, offset - 4), offset)
        for member_id in list(self._members):
            self._remove(member_id)

    def _named(self, name: str) -> int | None:
        return next((id_ for id_, each in self._members.items() if each.name == name), None)

    def _begin(self) -> None:
        if self._is_stable:
            self._is_stable = False
            self._rounds += 1
            self._broker.call_later(REBALANCE_S, self._end_the_wait, self._rounds)

    def _end_the_wait(self, round_: int) -> None:
        if not self._is_stable and round_ == self._rounds:
            self._members = {id_: each for id_, each in self._members.items() if each.joining}
            self._complete_if_all_joined()

    def _complete_if_all_joined(self) -> None:
        if self._is_stable or not all(each.joining for each in self._members.values()):
            return
        self._is_stable = True
        self.generation += 1
        shares: dict[int, list[TopicPartition]] = {member_id: [] for member_id in self._members}
        # Dealt anew from another member each time, so that partitions do change hands.
        dealing = itertools.cycle(sorted(shares, key=lambda id_: (id_ + self.generation) % 3))
        for place in self.places if shares else ():
            shares[next(dealing)].append(place)
        for member_id, member in self._members.items():
            member.places = shares[member_id]
            answer, member.joining = member.joining, None
            self._watch(member_id)
            if answer is not None and not answer.done():
                answer.set_result(Joined(member_id, self.generation, member.places))

    def _watch(self, member_id: int) -> None:
        seen_s = self._members[member_id].seen_s = self._nature.loop.time()
        self._broker.call_later(SESSION_S, self._throw_out, member_id, seen_s)

    def _throw_out(self, member_id: int, seen_s: float) -> None:
        member = self._members.get(member_id)
        # Who waits for the end of a rebalance cannot be told from who is dead.
        if member is not None and member.seen_s == seen_s and member.joining is None:
            self._nature.trace.note(f"{self.name} throws out {member.name}")
            self._remove(member_id)

    def _remove(self, member_id: int) -> None:
        del self._members[member_id]
        if self._members:
            self._begin()
            self._complete_if_all_joined()
        else:
            self._is_stable = True
            self.generation += 1
