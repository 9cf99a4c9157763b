"""Offsets vectors: of each partition, the offset of the first record that is not included."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from domain.errors import Invalid
from runtime.topics import topic_map


class Place(NamedTuple):
    """A partition of a topic, by the topic's name in the map."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


Vector = Mapping[Place, int]


def places_of(topics: Iterable[str]) -> list[Place]:
    """Every partition of these topics of the map."""
    return [
        Place(name, number) for name in topics for number in range(topic_map()[name].partitions)
    ]


def later(one: Vector, other: Vector) -> dict[Place, int]:
    """Of each place the later offset of the two."""
    return {place: max(offset, other.get(place, 0)) for place, offset in one.items()}


def record_count(start: Vector, end: Vector) -> int:
    """How many offsets lie between; a place that `start` does not name begins at 0."""
    return sum(max(0, offset - start.get(place, 0)) for place, offset in end.items())


def as_json(vector: Vector) -> dict[str, list[int]]:
    """Of each topic the offsets of its partitions, in their order."""
    topics: dict[str, list[int]] = {}
    for place in sorted(vector):
        topics.setdefault(place.topic, []).append(vector[place])
    return topics


def parse_bound(text: str) -> tuple[Place, int]:
    """TOPIC:PARTITION:OFFSET; Invalid if it is not that, or the map has no such partition."""
    match = re.fullmatch(r"([a-z0-9.-]+):([0-9]{1,4}):([0-9]{1,18})", text)
    if match is None:
        raise Invalid("invalid_offset", "write an offset as TOPIC:PARTITION:OFFSET")
    place = Place(match[1], int(match[2]))
    known = {topic.name: topic.partitions for topic in topic_map().topics}
    if place.partition >= known.get(place.topic, 0):
        raise Invalid("no_such_partition", "topics.yaml has no such topic or partition")
    return place, int(match[3])
