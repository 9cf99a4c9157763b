"""One request of the matrix, and how it comes to be."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.authorization.house import House

REASON = "a reason of some length"


@dataclass(frozen=True)
class Ask:
    """One request. A body of bytes goes as it is, any other as JSON."""

    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Make = Callable[[House], Awaitable[Ask]]


def keyed(path: str, body: Any = None, **headers: str) -> Ask:
    """A request under an idempotency key of its own."""
    return Ask(path, body, {"idempotency-key": str(uuid4()), **headers})
