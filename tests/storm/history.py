"""What the clients of a storm asked for, and what they were told: kept by them, not by Titan."""

import itertools
import random
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass
class Intent:
    """One payment that a client wants, under a key of its own, and all that came of asking."""

    key: str
    body: dict[str, Any]
    notes: list[tuple[float, str]] = field(default_factory=list)
    """When (seconds since 1970) and what."""
    payment_id: UUID | None = None
    """Set by the first 202."""
    accepted_at_s: float | None = None
    refused_as: str | None = None
    """The edge's own no."""
    is_abandoned: bool = False
    """The client was stopped before it had an answer."""

    def note(self, what: str) -> None:
        self.notes.append((time.time(), what))

    def accept(self, payment_id: UUID) -> None:
        """Told 202. The same key must name the same payment each time."""
        self.note(f"202 {payment_id}")
        assert self.payment_id in {None, payment_id}, self
        if self.payment_id is None:
            self.payment_id, self.accepted_at_s = payment_id, time.time()

    def refuse(self, code: str) -> None:
        self.note(f"refused: {code}")
        self.refused_as = code

    @property
    def is_answered(self) -> bool:
        return self.payment_id is not None or self.refused_as is not None


class History:
    """Every intent of the run, in the order in which they were formed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.intents: list[Intent] = []
        self.surprises: list[str] = []
        """Answers that no client should ever get, such as 500."""
        self._name = f"{seed:08x}"
        self._numbers = itertools.count()

    def intend(
        self,
        payer: str,
        payee: str,
        amount_minor: int,
        *,
        key: str | None = None,
        description: str | None = None,
    ) -> Intent:
        """Note what is wanted before anything is sent."""
        body = {
            "from_handle": payer,
            "to_handle": payee,
            "amount": amount_minor,
            "currency": "USD",
            "payment_type": "WALLET",
        }
        if description is not None:
            body["description"] = description
        intent = Intent(key or f"{self._name}-{next(self._numbers)}", body)
        intent.note(f"{payer} wants to pay {payee} {amount_minor}")
        self.intents.append(intent)
        return intent

    def abandon_unanswered(self) -> None:
        """Nobody asks for these any more."""
        for intent in self.intents:
            intent.is_abandoned = not intent.is_answered
