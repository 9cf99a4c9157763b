"""`titan topics`: check topics.yaml, compare it with the broker, bring the broker to it."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from runtime.topic_admin import apply_topics, plan_topics
from runtime.topic_plan import Change, ChangeKind
from runtime.topics import TOPICS_FILE, load_topics, topic_map
from titan import docs_command
from titan.broker import broker_settings
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
    settings, bootstrap = broker_settings()
    changes = asyncio.run(
        plan_topics(bootstrap, topic_map(), prefix=settings.topic_prefix, profile=settings.profile)
    )
    _say_changes(changes, as_json=as_json, nothing="the broker is as topics.yaml says")


@app.command()
def apply(*, as_json: JsonOption = False) -> None:
    """Create and alter topics as the map says; never delete, never change partitions."""
    settings, bootstrap = broker_settings()
    changes = asyncio.run(
        apply_topics(bootstrap, topic_map(), prefix=settings.topic_prefix, profile=settings.profile)
    )
    _say_changes(changes, as_json=as_json, nothing="nothing to do: the broker is as the map says")


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
        fail(f"{refused} differences were refused: they need a person (see above)")


app.command("docs")(docs_command.topic_docs)
