"""JSON Schema of every event, as committed under schemas/json/, one file a topic."""

import json
from pathlib import Path
from typing import Any, Final

from schemas.compatibility import breaks
from schemas.event import Event

JSON_DIRECTORY: Final = Path(__file__).resolve().parents[1] / "schemas" / "json"

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_path(topic: str, directory: Path = JSON_DIRECTORY) -> Path:
    """Where the committed schema of a topic lies."""
    return directory / f"{topic}.json"


def schema_of(event: type[Event]) -> dict[str, Any]:
    """What a consumer accepts as the event's value."""
    return {"$schema": _DIALECT, **event.model_json_schema(mode="validation")}


def schema_text(event: type[Event]) -> str:
    """The committed form."""
    return json.dumps(schema_of(event), indent=2, ensure_ascii=False) + "\n"


def breaks_since_committed(event: type[Event], directory: Path = JSON_DIRECTORY) -> list[str]:
    """What the event no longer accepts of its committed schema; nothing for a new topic."""
    try:
        text = schema_path(event.TOPIC, directory).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return breaks(json.loads(text), schema_of(event))


def is_committed(event: type[Event], directory: Path = JSON_DIRECTORY) -> bool:
    """Whether the committed file is the event's schema as it is now."""
    path = schema_path(event.TOPIC, directory)
    return path.exists() and path.read_text(encoding="utf-8") == schema_text(event)
