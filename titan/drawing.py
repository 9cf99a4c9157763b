"""Pictures drawn from the code's own tables, so that they cannot lie: the flow and the states."""

import re
from collections.abc import Iterable, Iterator, Mapping

from domain.payment import State
from runtime.topics import Topic, TopicMap

_PAYING = ("producers.payments", "producers.handles")


def flow_text(topics: TopicMap) -> str:
    """The flow as plain text: from each edge along its topics, then those who only look on."""
    drawn: set[str] = set()
    lines = [line for edge in _edges(topics) for line in [edge, *_tree(topics, edge, "", drawn)]]
    lookers = [
        f"{reader} reads {_listed(names)}" for reader, names in _only_readers(topics).items()
    ]
    return "\n".join([*lines, "", *lookers])


def payment_flow_text(topics: TopicMap) -> str:
    """The part of the flow that begins where people pay and where handles are claimed."""
    drawn: set[str] = set()
    lines = [line for edge in _PAYING for line in [edge, *_tree(topics, edge, "", drawn)]]
    return "\n".join([*lines, "", f"only read along: {', '.join(_only_readers(topics))}"])


def flow_mermaid(topics: Iterable[Topic]) -> str:
    """The flow of some topics as a Mermaid chart: edges round, stages square, topics as drums."""
    listed = list(topics)
    rooms = dict.fromkeys(
        room
        for topic in listed
        for room in [*topic.producers, *(reader.stage for reader in topic.consumers), *topic.tails]
    )
    lines = ["flowchart LR"]
    for room in rooms:
        shape = f"([{room}])" if room.startswith("producers.") else f"[{_short(room)}]"
        lines.append(f"    {_id(room)}{shape}")
    for topic in listed:
        drum = f"{_id(topic.name)}[({topic.name})]"
        lines.extend(f"    {_id(room)} --> {drum}" for room in topic.producers)
        lines.extend(f"    {drum} --> {_id(reader.stage)}" for reader in topic.consumers)
        lines.extend(f"    {drum} -.-> {_id(room)}" for room in topic.tails)
    return "\n".join(lines)


def states_mermaid(transitions: Mapping[State, frozenset[State]]) -> str:
    """The state machine of a payment as a Mermaid chart."""
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(transitions))}"]
    for state, following in transitions.items():
        lines.extend(f"    {state} --> {after}" for after in transitions if after in following)
        if not following:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines)


def _edges(topics: TopicMap) -> list[str]:
    return list(
        dict.fromkeys(
            room
            for topic in topics.topics
            for room in topic.producers
            if room.startswith("producers.")
        )
    )


def _tree(topics: TopicMap, room: str, indent: str, drawn: set[str]) -> Iterator[str]:
    """The topics that a room writes and, under each, what the stage that reads it writes.

    What a stage writes is drawn where the stage first comes up, and not again.
    """
    written = [topic for topic in topics.topics if room in topic.producers]
    sinks = _only_readers(topics)
    for topic in written:
        branch, further = ("└─", "   ") if topic is written[-1] else ("├─", "│  ")
        readers = [reader.stage for reader in topic.consumers if _short(reader.stage) not in sinks]
        if not readers:
            yield f"{indent}{branch} {topic.name}"
        for reader in readers:
            yield f"{indent}{branch} {topic.name} ─> {_short(reader)}"
            if reader not in drawn:
                drawn.add(reader)
                yield from _tree(topics, reader, indent + further, drawn)


def _only_readers(topics: TopicMap) -> dict[str, list[str]]:
    """Stages that write to no topic, each with what it reads."""
    writers = {room for topic in topics.topics for room in topic.producers}
    readers: dict[str, list[str]] = {}
    for topic in topics.topics:
        for reader in topic.consumers:
            if reader.stage not in writers:
                readers.setdefault(_short(reader.stage), []).append(topic.name)
    return readers


def _listed(names: list[str]) -> str:
    """Names with a common family said once: payment.{requested,posted}.v1."""
    families: dict[tuple[str, str], list[str]] = {}
    for name in names:
        family, _, rest = name.partition(".")
        middle, _, version = rest.rpartition(".")
        families.setdefault((family, version), []).append(middle)
    listed = []
    for (family, version), middles in families.items():
        joined = ",".join(middles)
        listed.append(
            f"{family}.{{{joined}}}.{version}" if middles[1:] else f"{family}.{joined}.{version}"
        )
    return " and ".join(listed)


def _short(room: str) -> str:
    return room.rpartition(".")[2]


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)
