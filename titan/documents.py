"""The generated documents: each drawn from code or data, committed, and compared by a test."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import Invalid
from domain.payment import TRANSITIONS
from runtime.topics import TopicMap, topic_map
from titan.asyncapi import asyncapi_text
from titan.drawing import flow_mermaid, flow_text, payment_flow_text, states_mermaid
from titan.markdown import fenced, table
from titan.reference_pages import limits_page, settings_page

ROOT: Final = Path(__file__).resolve().parents[1]

FLOW_BEGIN: Final = "<!-- flow: drawn from topics.yaml by `titan topics docs` -->"
FLOW_END: Final = "<!-- flow: end -->"

_FLOW_INTRODUCTION: Final = """\
# The flow

Drawn from [topics.yaml](../topics.yaml) and the payment's state machine by `titan topics docs`; a
test compares. Edges (`producers.*`) put the first event on a topic, stages (`consumers.*`) read one
and write the next. A dotted arrow is a reader without a group, which only looks on.
"""

_DEAD_LETTERS: Final = """\
## Dead letters

A record that nobody can understand goes to the dead letter of the group that read it,
`<topic>.<group>.dlq`: same partitions, same key, the original bytes and headers, and why. See the
[runbook](runbook.md).
"""


@dataclass(frozen=True, slots=True)
class Document:
    """A file and the text it has to have."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """The path from the project's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def is_current(self) -> bool:
        """Whether the file has the text."""
        return self.path.exists() and self.path.read_text(encoding="utf-8") == self.text


def topic_documents() -> list[Document]:
    """What is drawn from the topic map."""
    topics = topic_map()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = ROOT / "README.md"
    return [
        Document(ROOT / "docs" / "flow.md", _flow_page(topics)),
        Document(
            ROOT / "docs" / "asyncapi.yaml", asyncapi_text(topics, version=project["version"])
        ),
        Document(readme, with_flow(readme.read_text(encoding="utf-8"), payment_flow_text(topics))),
    ]


def all_documents() -> list[Document]:
    """Everything that is generated."""
    return [
        *topic_documents(),
        Document(ROOT / "docs" / "settings.md", settings_page()),
        Document(ROOT / "docs" / "limits.md", limits_page()),
    ]


def with_flow(page: str, flow: str) -> str:
    """The page with the flow between its two marks; Invalid if it lacks them."""
    before, begin, rest = page.partition(FLOW_BEGIN)
    _, end, after = rest.partition(FLOW_END)
    if not (begin and end):
        raise Invalid("no_flow_marks", f"README.md needs the lines {FLOW_BEGIN} and {FLOW_END}")
    return f"{before}{begin}\n{fenced('text', flow)}{end}{after}"


def _flow_page(topics: TopicMap) -> str:
    owners = dict.fromkeys(topic.owner for topic in topics.topics)
    charts = [
        f"## {owner.capitalize()}\n\n"
        + fenced("mermaid", flow_mermaid(topic for topic in topics.topics if topic.owner == owner))
        for owner in owners
    ]
    states = "## The states of a payment\n\n" + fenced("mermaid", states_mermaid(TRANSITIONS))
    parts = [
        _FLOW_INTRODUCTION,
        fenced("text", flow_text(topics)),
        *charts,
        states,
        _topics_table(topics),
        _DEAD_LETTERS,
    ]
    return "\n".join(parts)


def _topics_table(topics: TopicMap) -> str:
    columns = ["topic", "what it says", "key", "partitions", "kept", "class", "event"]
    rows = [
        [
            f"`{topic.name}`",
            topic.description,
            f"`{topic.key}`",
            str(topic.partitions),
            f"{_days(topics, topic.config)} days",
            topic.data_class,
            f"[{topic.model.__name__}](../schemas/json/{topic.name}.json)",
        ]
        for topic in topics.topics
    ]
    return "## Topics\n\n" + table(columns, rows)


def _days(topics: TopicMap, own: dict[str, str | int | bool]) -> int:
    retention_ms = int({**topics.defaults.config, **own}["retention.ms"])
    return retention_ms // (24 * 60 * 60 * 1000)
