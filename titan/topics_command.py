"""`titan topics`: check topics.yaml, compare it with the broker, bring the broker to it."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Final, Protocol

import typer

from runtime.settings import Profile
from runtime.topic_admin import apply_topics, plan_topics
from runtime.topic_plan import Change, ChangeKind
from runtime.topics import TOPICS_FILE, TopicMap, load_topics, topic_map
from titan import docs_command
from titan.endpoints import connected_settings
from titan.terminal import JsonOption, command_group, fail, say, say_json, say_table

app: Final[typer.Typer] = command_group("The topic map and the broker.")

FileOption = Annotated[Path, typer.Option("--file", help="The topic map to check.")]


@app.command()
def validate(*, file: FileOption = TOPICS_FILE, as_json: JsonOption = False) -> None:
    """Check the topic map; every fault at once."""
    topics = load_topics(file).topics
    counted = {
        "topics": len(topics),
        "partitions": sum(topic.partitions for topic in topics),
        "dead_letters": sum(len(topic.consumers) for topic in topics),
    }
    if as_json:
        say_json({"file": str(file), **counted})
    else:
        say(
            f"{file.name} is valid: {counted['topics']} topics with {counted['partitions']} "
            f"partitions, and {counted['dead_letters']} dead letters"
        )


@app.command()
def plan(*, as_json: JsonOption = False) -> None:
    """Show how the broker differs from the map; exit 1 if something can only be done by hand."""
    _say_changes(_on_broker(plan_topics), as_json=as_json, nothing="the broker is as the map says")


@app.command()
def apply(*, as_json: JsonOption = False) -> None:
    """Create and alter topics as the map says; never delete, never change partitions."""
    changes = _on_broker(apply_topics)
    _say_changes(changes, as_json=as_json, nothing="nothing to do: the broker is as the map says")


class _Work(Protocol):
    def __call__(
        self, bootstrap: str, topics: TopicMap, *, prefix: str, profile: Profile
    ) -> Coroutine[None, None, list[Change]]: ...


def _on_broker(work: _Work) -> list[Change]:
    settings = connected_settings(needed=("kafka_bootstrap",))
    assert settings.kafka_bootstrap is not None
    if settings.is_demo:
        sys.stderr.write("titan: demo: one replica, so one disk; production demands more\n")
    return asyncio.run(
        work(
            settings.kafka_bootstrap,
            topic_map(),
            prefix=settings.topic_prefix,
            profile=settings.profile,
        )
    )


def _say_changes(changes: list[Change], *, as_json: bool, nothing: str) -> None:
    if as_json:
        say_json(
            [
                {"kind": change.kind, "topic": change.topic, "detail": change.detail}
                for change in changes
            ]
        )
    elif changes:
        say_table(
            ["change", "topic", "detail"],
            [[change.kind, change.topic, change.detail] for change in changes],
        )
    else:
        say(nothing)
    refused = sum(change.kind is ChangeKind.REFUSED for change in changes)
    if refused:
        fail(f"{refused} refused: a person has to decide (see above)")


app.command("docs")(docs_command.topic_docs)
