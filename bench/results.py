"""Results that are kept: a JSON file for each command, committed, from which pages are drawn."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure
from bench.machine import Machine
from bench.report import as_json

DIRECTORY: Final = Path(__file__).resolve().parent / "results"
"""figures, growth, scale, prove, replay, profile-before, profile-after, ratios and campaign
(.json each)."""

Document = Mapping[str, Any]


def save(name: str, machine: Machine, figures: Sequence[Figure], **more: object) -> Path:
    """Keep what a command measured, and what else its pictures need."""
    DIRECTORY.mkdir(exist_ok=True)
    path = DIRECTORY / f"{name}.json"
    document = {**json.loads(as_json(machine, figures)), **more}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def load(name: str, directory: Path = DIRECTORY) -> Document | None:
    """What a command kept; None if it never did.

    `titan chaos --json` writes lines of progress before its report: they are passed over.
    """
    path = directory / f"{name}.json"
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    begin = max(text.rfind("\n{\n"), 0)
    document: Document = json.loads(text[begin:])
    return document


def machine_of(document: Document) -> Machine:
    """What it was measured on."""
    return Machine.model_validate(document["machine"])


def figures_of(document: Document) -> list[Figure]:
    """The figures, as they were measured."""
    return [
        Figure(**{name: value for name, value in each.items() if name != "meets_target"})
        for each in document["figures"]
    ]
