"""What the topic map wants of a broker, and how a broker differs from it. Pure: no I/O.

Four kinds of difference:

* create   the broker lacks the topic: `titan topics apply` makes it.
* alter    a setting differs: apply changes it.
* refused  partitions or replicas differ: nothing is done, a person decides.
* extra    the broker has a topic that the map does not name: it is said and left alone.

Partitions are never added: every topic of the map is keyed, and more partitions would move keys
to other partitions, so that two payments of one payer could overtake each other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runtime.settings import Profile
from runtime.topics import DEAD_LETTER_PARTITIONS, Defaults, TopicMap

REPLICATION: Final = "replication.factor"
"""Named beside a topic's settings in topics.yaml, but fixed at birth like partitions."""

DEAD_LETTER_SUFFIX: Final = ".dlq"

_BROKER_OWN_PREFIX: Final = "__"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTopic:
    """A topic as it has to be on the broker; `name` has the deployment's prefix."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTopic:
    """A topic as the broker has it.

    `own` are the settings that somebody set on the topic; `is_led` whether every partition has a
    leader, so that it can be written to.
    """

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]
    own: frozenset[str] = frozenset()
    is_led: bool = True


class ChangeKind(StrEnum):
    """What `titan topics apply` makes of a difference."""

    CREATE = "create"
    ALTER = "alter"
    REFUSED = "refused"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `config` are the settings that create or alter will hand to the broker."""

    kind: ChangeKind
    topic: str
    detail: str
    config: Mapping[str, str]


def wanted_topics(topics: TopicMap, *, prefix: str, profile: Profile) -> list[WantedTopic]:
    """Every topic of the map and the dead letter of each of its consumers.

    The demo's broker is one node, so it gets one replica; production gets what the map demands.
    """
    defaults = topics.defaults
    wanted = []
    for topic in topics.topics:
        config = {**defaults.config, **topic.config}
        names = [topic.name, *(topic.dead_letter(reader.group) for reader in topic.consumers)]
        for name in names:
            is_dead_letter = name != topic.name
            own = {**config, **defaults.dead_letter} if is_dead_letter else config
            wanted.append(
                WantedTopic(
                    name=prefix + name,
                    partitions=DEAD_LETTER_PARTITIONS if is_dead_letter else topic.partitions,
                    replicas=replicas_of(defaults, profile),
                    config=_as_kafka_writes({**own, **_durability(defaults, profile)}),
                )
            )
    return wanted


def replicas_of(defaults: Defaults, profile: Profile) -> int:
    """Copies of each partition that the profile demands."""
    return int(defaults.production[REPLICATION]) if profile is Profile.PRODUCTION else 1


def differences(
    wanted: Iterable[WantedTopic], found: Iterable[FoundTopic], *, prefix: str
) -> list[Change]:
    """What stands between the broker and the map, in the map's order, extra topics last.

    Topics without the deployment's prefix belong to others, as do the broker's own.
    """
    by_name = {topic.name: topic for topic in found}
    changes: list[Change] = []
    named = set()
    for topic in wanted:
        named.add(topic.name)
        there = by_name.get(topic.name)
        changes.extend([_creation(topic)] if there is None else _mismatches(topic, there))
    changes.extend(
        Change(kind=ChangeKind.EXTRA, topic=name, detail="not in topics.yaml; left", config={})
        for name in sorted(by_name)
        if name not in named and name.startswith(prefix) and not name.startswith(_BROKER_OWN_PREFIX)
    )
    return changes


def _creation(topic: WantedTopic) -> Change:
    detail = f"{topic.partitions} partitions, {topic.replicas} replicas"
    return Change(
        kind=ChangeKind.CREATE, topic=topic.name, detail=detail, config=dict(topic.config)
    )


def _mismatches(topic: WantedTopic, there: FoundTopic) -> Iterator[Change]:
    if there.partitions != topic.partitions:
        remedy = (
            "delete it once `titan dlq` has nothing open in it, and apply again"
            if topic.name.endswith(DEAD_LETTER_SUFFIX)
            else "a keyed topic keeps its partitions; make a .v2 topic instead"
        )
        yield _refusal(
            topic.name,
            f"has {there.partitions} partitions, the map says {topic.partitions}: {remedy}",
        )
    if there.replicas < topic.replicas:
        yield _refusal(
            topic.name,
            f"has {there.replicas} replicas, the map demands {topic.replicas}: "
            "reassign its partitions with Kafka's own tool",
        )
    differing = {
        name: value for name, value in topic.config.items() if there.config.get(name) != value
    }
    if differing:
        # The broker replaces all settings of the topic at once, so what others set goes along.
        kept = {name: there.config[name] for name in there.own}
        yield Change(
            kind=ChangeKind.ALTER,
            topic=topic.name,
            detail=", ".join(
                f"{name}: {there.config.get(name, 'unset')} -> {value}"
                for name, value in differing.items()
            ),
            config={**kept, **topic.config},
        )


def _refusal(topic: str, detail: str) -> Change:
    return Change(kind=ChangeKind.REFUSED, topic=topic, detail=detail, config={})


def _durability(defaults: Defaults, profile: Profile) -> dict[str, str | int | bool]:
    if profile is not Profile.PRODUCTION:
        return {}
    return {name: value for name, value in defaults.production.items() if name != REPLICATION}


def _as_kafka_writes(config: Mapping[str, str | int | bool]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in config.items()
    }
