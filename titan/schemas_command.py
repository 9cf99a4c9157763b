"""`titan schemas`: the committed JSON Schemas, and whether a change would break old events."""

from pathlib import Path
from typing import Annotated, Final

import typer

from runtime.topics import topic_map
from titan.schema_files import (
    JSON_DIRECTORY,
    breaks_since_committed,
    is_committed,
    schema_path,
    schema_text,
)
from titan.terminal import JsonOption, command_group, fail, say, say_json

app: Final[typer.Typer] = command_group("The events' JSON Schemas.")


DirectoryOption = Annotated[
    Path,
    typer.Option("--directory", help="The committed schemas; another checkout's, to compare with."),
]


@app.command()
def export(*, directory: DirectoryOption = JSON_DIRECTORY, as_json: JsonOption = False) -> None:
    """Write schemas/json/ from the models; refused while an event breaks what was committed."""
    faults = _breaks(directory)
    if faults:
        _refuse(faults, as_json=as_json)
    written = []
    for topic in topic_map().topics:
        if not is_committed(topic.model, directory):
            path = schema_path(topic.name, directory)
            path.write_text(schema_text(topic.model), encoding="utf-8")
            written.append(topic.name)
    if as_json:
        say_json({"written": written, "breaks": []})
    else:
        say(f"wrote {', '.join(written)}" if written else "nothing to write: all are committed")


@app.command()
def check(*, directory: DirectoryOption = JSON_DIRECTORY, as_json: JsonOption = False) -> None:
    """Compare the models with what was committed; exit 1 on a break or a schema not exported."""
    faults = _breaks(directory)
    stale = [topic.name for topic in topic_map().topics if not is_committed(topic.model, directory)]
    if faults:
        _refuse(faults, as_json=as_json)
    if as_json:
        say_json({"stale": stale, "breaks": []})
    if stale:
        fail(f"not as committed: {', '.join(stale)}: run `titan schemas export` and commit")
    if not as_json:
        say(f"the schemas of {len(topic_map().topics)} topics are as committed, none breaks")


def _breaks(directory: Path) -> list[str]:
    return [
        f"{topic.name}: {fault}"
        for topic in topic_map().topics
        for fault in breaks_since_committed(topic.model, directory)
    ]


def _refuse(faults: list[str], *, as_json: bool) -> None:
    if as_json:
        say_json({"breaks": faults})
    else:
        for fault in faults:
            say(fault)
    fail(f"{len(faults)} changes would break old events: add fields instead, or make a .v2 topic")
