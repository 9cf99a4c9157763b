"""Small parts of the place: who calls, a carrier that keeps what it is given, and times."""

from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from domain.client import person_of
from producers.notifications.channels.port import Fate, Letter, Sent
from runtime.http.caller import Caller, Kind
from runtime.http.problem import ProblemError


@dataclass
class Door:
    """Who calls is whom the test names, unless they are suspended."""

    suspended: set[str] = field(default_factory=set)

    async def caller_of(self, request: Request) -> Caller:
        client_id = request.headers["test-client"]
        if client_id in self.suspended:
            raise ProblemError(403, "suspended", "suspended")
        person_id = person_of(client_id)
        kind = Kind.DEMO if person_id is None else Kind.PERSON
        return Caller(client_id, kind, person_id=person_id)


@dataclass
class Basket:
    """A carrier that takes letters, or has the fate that the test gives."""

    fates: list[Fate] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    async def send(self, letter: Letter) -> Fate:
        self.letters.append(letter)
        return self.fates.pop(0) if self.fates else Sent()

    async def close(self) -> None:
        """Nothing is open."""


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(f"{text}+00:00")
