"""What clients asked for and what they were told: kept by them, not by Titan.

A journal on disk, flushed before each request leaves, outlives the client that keeps it: what it
had asked for and got no answer to when it was killed is then known, and is asked again.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol
from uuid import UUID

from runtime.clock import SystemClock

CURRENCY: Final = "USD"
_CLOCK: Final = SystemClock()

Entry = dict[str, Any]
"""One thing that was wanted or told, as it stands in the journal."""


class Journal(Protocol):
    """Where a history is written as it happens."""

    def write(self, entry: Entry) -> None:
        """Take one entry; it is safe once `flushed` has returned."""
        ...

    async def flushed(self) -> None:
        """Return when everything written so far would outlive this process."""
        ...


@dataclass(slots=True, eq=False)
class Intent:
    """One payment that a client wants, under a key of its own, and all that came of asking."""

    number: int
    """Its place in the history; of two that share a key on purpose, each has its own."""
    key: str
    payer: str
    payee: str
    amount_minor: int
    description: str | None
    notes: list[tuple[float, str]] = field(default_factory=list)
    """When (seconds since 1970) and what."""
    payment_id: UUID | None = None
    """Set by the first 202."""
    accepted_at_s: float | None = None
    refused_as: str | None = None
    """The edge's own no."""
    is_abandoned: bool = False
    """The client was stopped before it had an answer."""

    @property
    def body(self) -> dict[str, Any]:
        """The request's body."""
        body = {
            "from_handle": self.payer,
            "to_handle": self.payee,
            "amount": self.amount_minor,
            "currency": CURRENCY,
            "payment_type": "WALLET",
        }
        return body if self.description is None else {**body, "description": self.description}

    @property
    def is_answered(self) -> bool:
        """Whether an edge has said yes or no."""
        return self.payment_id is not None or self.refused_as is not None

    @property
    def was_unknown(self) -> bool:
        """Whether some answer left open if the payment was taken."""
        return any(what.startswith("unknown") for _, what in self.notes)


class History:
    """Every intent, in the order in which they were formed.

    It is the fold of its journal's entries, so what was read back is what was lived through.
    """

    def __init__(self, seed: int, *, journal: Journal | None = None) -> None:
        self.random = Random(seed)  # noqa: S311 - a run is repeated by its seed; guards nothing
        self.intents: list[Intent] = []
        self.surprises: list[str] = []
        """Answers that no client should ever get, such as 500."""
        self.accounts: dict[str, UUID] = {}
        """The account that each handle was seen to name."""
        self._name = f"{seed:08x}"
        self._journal = journal

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
        key = key or f"{self._name}-{len(self.intents)}"
        self._say(key=key, wants=[payer, payee, amount_minor, description])
        return self.intents[-1]

    def accept(self, intent: Intent, payment_id: UUID) -> None:
        """Told 202. The same key must name the same payment each time."""
        self._say(of=intent.number, ok=str(payment_id))

    def refuse(self, intent: Intent, code: str) -> None:
        """Told no."""
        self._say(of=intent.number, fail=code)

    def leave_open(self, intent: Intent, why: str) -> None:
        """Told nothing that is sure: the payment may have been taken or not."""
        self._say(of=intent.number, unknown=why)

    def surprise(self, what: str) -> None:
        """Note an answer that no client should ever get."""
        self._say(surprise=what)

    def know(self, handle: str, account_id: UUID) -> None:
        """Seen that the handle names the account."""
        self._say(handle=handle, names=str(account_id))

    async def flushed(self) -> None:
        """Return when what was noted would outlive this process, where there is a journal."""
        if self._journal is not None:
            await self._journal.flushed()

    def abandon_unanswered(self) -> None:
        """Nobody asks for these any more."""
        for intent in self.intents:
            intent.is_abandoned = not intent.is_answered

    def take(self, entry: Entry) -> None:
        """Fold one entry of the journal."""
        at_s = entry["at"]
        match entry:
            case {"surprise": what}:
                self.surprises.append(what)
            case {"handle": handle, "names": account_id}:
                self.accounts[handle] = UUID(account_id)
            case {"wants": [payer, payee, amount_minor, description], "key": key}:
                # Few people pay: each name is kept once.
                payer, payee = sys.intern(payer), sys.intern(payee)
                intent = Intent(len(self.intents), key, payer, payee, amount_minor, description)
                intent.notes.append((at_s, f"{payer} wants to pay {payee} {amount_minor}"))
                self.intents.append(intent)
            case {"of": number, "ok": payment_id}:
                self._accepted(self.intents[number], UUID(payment_id), at_s)
            case {"of": number, "fail": code}:
                self.intents[number].refused_as = code
                self.intents[number].notes.append((at_s, f"refused: {code}"))
            case {"of": number, "unknown": why}:
                self.intents[number].notes.append((at_s, f"unknown: {why}"))

    def _accepted(self, intent: Intent, payment_id: UUID, at_s: float) -> None:
        if intent.payment_id is None:
            intent.payment_id, intent.accepted_at_s = payment_id, at_s
        elif intent.payment_id != payment_id:
            self.surprises.append(f"{intent.key} names {intent.payment_id} and {payment_id}")
        intent.notes.append((at_s, f"202 {payment_id}"))

    def _say(self, **said: Any) -> None:  # noqa: ANN401 - JSON
        entry = {"at": round(_CLOCK.now().timestamp(), 6), **said}
        if self._journal is not None:
            self._journal.write(entry)
        self.take(entry)


def read_history(path: Path, *, seed: int, journal: Journal | None = None) -> History:
    """The history that a journal's file tells; what goes on is written to `journal`.

    A line that its writer died over is passed over: it was never flushed, so no request had left.
    """
    history = History(seed, journal=journal)
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                history.take(entry)
    return history
