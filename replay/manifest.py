"""The manifest of an archive: which segments there are, and what each has to be.

It is written anew, whole, after each partition, and takes the old one's place in one step: a run
that is killed leaves the manifest of before, and at most a file that no manifest names.
"""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import Invalid
from replay.vector import Place

FILE: Final = "manifest.json"
ENDINGS: Final = {"zstd": "zst", "gzip": "gz"}


class Segment(BaseModel):
    """One segment: it holds all records of its partition from `start` until before `next`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int
    next: int
    count: int
    first: int
    last: int
    first_appended_ms: int
    last_appended_ms: int
    last_record_sha256: str
    compression: Literal["zstd", "gzip"]
    bytes: int
    sha256: str

    def path(self, place: Place) -> Path:
        """Where it lies, from the archive's directory."""
        ending = ENDINGS[self.compression]
        name = f"{place.partition:05d}-{self.first:020d}-{self.last:020d}.seg.{ending}"
        return Path(place.topic, name)


class Manifest(BaseModel):
    """All segments, by topic and partition, in the order of their offsets."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    topics: dict[str, dict[int, list[Segment]]] = {}
    complete_until_ms: int = 0
    """Everything that was appended before this time is here, but for what was gone by then."""

    def of(self, place: Place) -> list[Segment]:
        """The segments of a place; none if it was never archived."""
        return self.topics.get(place.topic, {}).get(place.partition, [])

    def add(self, place: Place, segment: Segment) -> None:
        """Enter a segment after those before it."""
        self.topics.setdefault(place.topic, {}).setdefault(place.partition, []).append(segment)

    @property
    def places(self) -> list[Place]:
        """Every partition of which something is here."""
        return [
            Place(topic, number) for topic, parts in self.topics.items() for number in sorted(parts)
        ]


def load_manifest(directory: Path) -> Manifest:
    """The manifest of an archive; Invalid if there is none, or it is damaged."""
    try:
        raw: Any = json.loads((directory / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Invalid("no_archive", f"{directory} holds no archive: it has no {FILE}") from error
    except (OSError, ValueError) as error:
        raise Invalid("broken_archive", f"{directory / FILE} cannot be read") from error
    try:
        manifest = Manifest.model_validate(raw["manifest"])
        if raw["sha256"] == _digest(manifest):
            return manifest
    except (KeyError, TypeError, ValidationError):
        pass
    raise Invalid("broken_archive", f"{directory / FILE} was changed: its SHA-256 is another")


def save_manifest(directory: Path, manifest: Manifest) -> None:
    """Put a manifest in place of the one before."""
    document = {"sha256": _digest(manifest), "manifest": manifest.model_dump(mode="json")}
    write_whole(directory / FILE, json.dumps(document, indent=1).encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that, whenever the machine stops, it is there whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(manifest: Manifest) -> str:
    text = json.dumps(manifest.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()
