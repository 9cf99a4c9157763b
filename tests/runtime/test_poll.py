"""Putting positions back: to what was committed, and quickly."""

from collections.abc import Mapping

import pytest
from aiokafka import TopicPartition

from runtime.poll import to_committed

PLACES = [TopicPartition("payment.posted.v1", number) for number in range(9)]


class Seeker:
    """A consumer of several partitions, as far as seeking goes; one fetch is in flight for ever.

    The library's `seek_to_beginning` waits for that fetch, each time that it is called.
    """

    def __init__(self, committed: Mapping[TopicPartition, int]) -> None:
        self._committed = committed
        self.positions: dict[TopicPartition, int] = {}
        self.waits = 0

    def assignment(self) -> list[TopicPartition]:
        return PLACES

    async def committed(self, place: TopicPartition) -> int | None:
        return self._committed.get(place)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.positions[place] = offset

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        self.waits += 1
        self.positions |= dict.fromkeys(places or PLACES, 0)


@pytest.mark.parametrize(("count", "waits"), [(0, 1), (4, 1), (9, 0)])
async def test_all_that_was_never_committed_waits_once(count: int, waits: int) -> None:
    committed = {place: 7 + place.partition for place in PLACES[:count]}
    seeker = Seeker(committed)

    await to_committed(seeker)

    assert seeker.positions == dict.fromkeys(PLACES, 0) | committed
    assert seeker.waits == waits
