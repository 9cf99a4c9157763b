"""What the client was told of by webhooks, as it wrote it down itself."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from titan.chaos.receiver import ENDPOINTS, HEARD, Told

_SUCCESSES = range(200, 300)


class Heard(NamedTuple):
    """One request that came in, in the order of their coming."""

    number: int
    endpoint_id: str | None
    message_id: str
    event_id: str | None
    event_type: str | None
    subject: str | None
    is_signed: bool
    status: int

    @property
    def is_taken(self) -> bool:
        """Whether it was answered well."""
        return self.status in _SUCCESSES


@dataclass(frozen=True)
class Hearing:
    """All of it."""

    endpoints: tuple[Told, ...] = ()
    heard: tuple[Heard, ...] = ()


def read_hearing(directory: Path) -> Hearing:
    """What lies there; nothing if nobody listened."""
    known = directory / ENDPOINTS
    if not known.exists():
        return Hearing()
    endpoints = tuple(Told.model_validate(each) for each in json.loads(known.read_text("utf-8")))
    heard = []
    with (directory / HEARD).open("rb") as lines:
        for number, line in enumerate(lines):
            entry = json.loads(line)
            heard.append(
                Heard(
                    number,
                    entry["to"],
                    entry["id"],
                    entry.get("event"),
                    entry.get("type"),
                    entry.get("subject"),
                    entry["signed"],
                    entry["status"],
                )
            )
    return Hearing(endpoints, tuple(heard))
