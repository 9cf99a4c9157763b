"""The map of topics as a proof needs it: numbers for names, and who decides about what.

A step is a stage that decides: it reads topics in its group, keeps an inbox, and mostly puts its
outcomes on other topics. A group without an inbox only looks on (a projection).
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from runtime.topics import Topic, TopicMap
from schemas.account import AccountOpened, AccountOpeningRefused
from schemas.handle import HandleClaimed, HandleClaimRefused, HandlePorted, HandleReleased
from schemas.payment import (
    PaymentConflicted,
    PaymentPosted,
    PaymentRefused,
    PaymentRequested,
    PaymentResolved,
    PaymentScreened,
)

REQUESTED: Final = PaymentRequested.TOPIC
RESOLVED: Final = PaymentResolved.TOPIC
SCREENED: Final = PaymentScreened.TOPIC
POSTED: Final = PaymentPosted.TOPIC
REFUSED: Final = PaymentRefused.TOPIC
CONFLICTED: Final = PaymentConflicted.TOPIC
PAYMENTS: Final = (REQUESTED, RESOLVED, SCREENED, POSTED, REFUSED, CONFLICTED)

OPENED: Final = AccountOpened.TOPIC
NOT_OPENED: Final = AccountOpeningRefused.TOPIC
CHANGES: Final = {
    HandleClaimed.TOPIC: "claimed",
    HandlePorted.TOPIC: "ported",
    HandleReleased.TOPIC: "released",
    HandleClaimRefused.TOPIC: "refused",
}
"""What each of these topics says of a handle, as the directory's table has it."""

PUBLIC: Final = frozenset(
    {
        *(REQUESTED, POSTED, REFUSED, CONFLICTED, OPENED, NOT_OPENED, *CHANGES),
        *("account.frozen.v1", "account.unfrozen.v1", "webhook.endpoint-disabled.v1"),
    }
)
"""What customers are told of, by webhooks and by the feed."""

STAGE_SOURCE: Final = "titan/consumers/"
NO_STEP: Final = 0xFF
"""The number of a step that there is not."""

NOTIFICATIONS: Final = "notifications"
"""The step that puts nothing on a topic: what it decides is who is told, and stands in rows."""

WEBHOOKS: Final = "webhooks"
"""The group of those that look on which plans webhooks."""

PROJECTION: Final = "payment-projection"
"""The group of those that look on which makes the payments table."""

_STAGE_ROOM: Final = "consumers."


@dataclass(frozen=True)
class Route:
    """Topics and steps by number: a topic's place in `topics`, a step's in `steps`."""

    topics: list[Topic]
    steps: list[str] = field(default_factory=list)
    """The rooms that decide, as the inbox names them."""

    @classmethod
    def of(cls, topics: TopicMap) -> "Route":
        """The route that the map describes."""
        rooms = dict.fromkeys(room for topic in topics.topics for room in topic.producers)
        steps = [room.removeprefix(_STAGE_ROOM) for room in rooms if room.startswith(_STAGE_ROOM)]
        return cls(list(topics.topics), [*steps, NOTIFICATIONS])

    @cached_property
    def topic_numbers(self) -> dict[str, int]:
        """Numbers of the topics, by name."""
        return {topic.name: number for number, topic in enumerate(self.topics)}

    @cached_property
    def topic_names(self) -> list[str]:
        """The topics' names, by number."""
        return [topic.name for topic in self.topics]

    def deciding(self, topic: Topic) -> list[tuple[int, str]]:
        """Of each step that reads a topic its number and its group."""
        return [
            (self.steps.index(step), consumer.group)
            for consumer in topic.consumers
            if (step := consumer.stage.removeprefix(_STAGE_ROOM)) in self.steps
        ]

    def looking_on(self, topic: Topic) -> list[str]:
        """The groups that read a topic and keep no inbox."""
        return [
            consumer.group
            for consumer in topic.consumers
            if consumer.stage.removeprefix(_STAGE_ROOM) not in self.steps
        ]

    def read_by(self, step: int) -> list[str]:
        """The topics that a step decides about."""
        room = _STAGE_ROOM + self.steps[step]
        return [
            topic.name
            for topic in self.topics
            if any(consumer.stage == room for consumer in topic.consumers)
        ]

    def writers(self, topic: Topic) -> dict[bytes, int]:
        """The steps that may put events on a topic: their number by the source that events name."""
        return {
            f"{STAGE_SOURCE}{room.removeprefix(_STAGE_ROOM)}".encode(): self.steps.index(
                room.removeprefix(_STAGE_ROOM)
            )
            for room in topic.producers
            if room.startswith(_STAGE_ROOM)
        }

    @cached_property
    def groups(self) -> dict[str, list[Topic]]:
        """Every group of the map, with the topics that it reads."""
        groups: dict[str, list[Topic]] = {}
        for topic in self.topics:
            for consumer in topic.consumers:
                groups.setdefault(consumer.group, []).append(topic)
        return groups
