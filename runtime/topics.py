"""The topic map: topics.yaml, validated. Nothing else in the house names a topic's settings."""

from enum import StrEnum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import Invalid
from schemas.event import Event

TOPICS_FILE: Final = Path(__file__).resolve().parent.parent / "topics.yaml"

TELLING: Final = frozenset({"event_feed", "notifications", "webhooks"})
"""The stages that tell people. They may be late: no payment waits for them."""

TopicName = Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z]+(-[a-z]+)*)+\.v[1-9][0-9]*$")]
GroupName = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")]
RoomName = Annotated[str, Field(pattern=r"^(producers|consumers)\.[a-z]+(_[a-z]+)*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataClass(StrEnum):
    """How much a topic's content may harm if it leaks."""

    PII = "pii"
    CONFIDENTIAL = "confidential"
    INTERNAL = "internal"


class Consumer(_Strict):
    """A consumer group of a topic, and the room that runs it."""

    group: GroupName
    stage: RoomName


class Replay(_Strict):
    """Whether the topic may be read again from the start, and what else that would do."""

    allowed: bool
    side_effects: str


class Slo(_Strict):
    """How old the oldest unhandled record may become, in milliseconds, before it is alarmed."""

    age_ms_max: Annotated[int, Field(ge=1)]


class Topic(_Strict):
    """One topic of the map."""

    name: TopicName
    description: str
    owner: str
    data_class: DataClass
    key: str
    schema_reference: Annotated[str, Field(alias="schema", pattern=r"^schemas\.\w+:\w+$")]
    compatibility: Literal["backward"]
    partitions: Annotated[int, Field(ge=1, le=256)]
    config: dict[str, str | int | bool] = {}
    producers: Annotated[list[RoomName], Field(min_length=1)]
    consumers: list[Consumer]
    tails: list[RoomName] = []
    replay: Replay
    slo: Slo

    @property
    def model(self) -> type[Event]:
        """The event's class."""
        module, _, name = self.schema_reference.partition(":")
        model: type[Event] = getattr(import_module(module), name)
        return model

    @property
    def is_compacted(self) -> bool:
        """Whether the broker keeps the newest record of each key, and takes none without a key."""
        return "compact" in str(self.config.get("cleanup.policy"))

    def dead_letter(self, group: str) -> str:
        """The name of the group's dead letter topic."""
        return f"{self.name}.{group}.dlq"


DEAD_LETTER_PARTITIONS: Final = 1
"""Of each dead letter topic: letters are rare, and a partition costs at every start of a broker."""


class Defaults(_Strict):
    """Settings that every topic begins with."""

    config: dict[str, str | int | bool]
    production: dict[str, str | int | bool]
    dead_letter: dict[str, str | int | bool]


class TopicMap(_Strict):
    """All topics. Look one up by name; `of_group` gives what a stage reads."""

    defaults: Defaults
    topics: Annotated[list[Topic], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = [
            *_repeats([topic.name for topic in self.topics]),
            *(f"{topic.name}: {fault}" for topic in self.topics for fault in _faults(topic)),
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def __getitem__(self, name: str) -> Topic:
        for topic in self.topics:
            if topic.name == name:
                return topic
        raise KeyError(name)

    def of_group(self, group: str) -> list[Topic]:
        """The topics that a consumer group reads, in the map's order."""
        return [
            topic
            for topic in self.topics
            if any(consumer.group == group for consumer in topic.consumers)
        ]

    def tailed_by(self, room: str, family: str) -> list[Topic]:
        """The topics that an edge follows without a group, to know at once what they tell."""
        return [
            topic for topic in self.topics if room in topic.tails and topic.name.startswith(family)
        ]


def load_topics(path: Path = TOPICS_FILE) -> TopicMap:
    """Read and check a topic map; Invalid names every fault at once."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TopicMap.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            ": ".join(filter(None, (".".join(map(str, fault["loc"])), fault["msg"])))
            for fault in error.errors(include_url=False)
        )
        raise Invalid("invalid_topics", f"{path.name}: {faults}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Invalid("invalid_topics", f"{path.name}: {error}") from error


@cache
def topic_map() -> TopicMap:
    """The project's own map, read once."""
    return load_topics()


def group_of(stage: str) -> str:
    """The consumer group of a stage's room: topics and groups have hyphens, modules underscores."""
    return stage.replace("_", "-")


def _repeats(names: list[str]) -> list[str]:
    return [f"{name} is named twice" for name in sorted(set(names)) if names.count(name) > 1]


def _faults(topic: Topic) -> list[str]:
    """What the schema and the rooms of one topic contradict."""
    faults = _repeats([consumer.group for consumer in topic.consumers])
    faults += [
        f"group {consumer.group} is run by {consumer.stage}, not by a room of its own name"
        for consumer in topic.consumers
        if group_of(consumer.stage) != f"consumers.{consumer.group}"
    ]
    try:
        model = topic.model
    except (ImportError, AttributeError):
        return [*faults, f"there is no {topic.schema_reference}"]
    if topic.name != model.TOPIC:
        faults.append(f"its schema calls itself {model.TOPIC}")
    # "a or b": the record's key is the first of these that the event has.
    fields = topic.key.split(" or ")
    faults += [f"its key {name} is no field" for name in fields if name not in model.model_fields]
    return faults
