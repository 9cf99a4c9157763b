"""What a life left behind, read without the product's code: bytes, headers and JSON."""

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from tests.simulation.broker import LogRecord
from tests.simulation.world import World

STAGE_OF = {
    "payment.resolved.v1": ("handle_resolution",),
    "payment.screened.v1": ("risk_screening",),
    "payment.posted.v1": ("ledger_posting",),
    "payment.refused.v1": ("handle_resolution", "risk_screening", "ledger_posting"),
    "payment.conflicted.v1": ("handle_resolution",),
}
CAUSE_OF = {
    "handle_resolution": "payment.requested.v1",
    "risk_screening": "payment.resolved.v1",
    "ledger_posting": "payment.screened.v1",
}


@dataclass(frozen=True)
class Fact:
    """A record that was understood by nobody but this checker."""

    record: LogRecord
    order: int
    """Its place among all records."""

    @cached_property
    def attributes(self) -> dict[str, str]:
        return {name: (value or b"").decode() for name, value in self.record.headers}

    @cached_property
    def body(self) -> Any:
        return json.loads(self.record.value or b"")

    @property
    def topic(self) -> str:
        return self.record.topic

    @property
    def event_id(self) -> str:
        return self.attributes["ce_id"]

    @property
    def payment(self) -> str:
        return str(self.body["payment_id"])

    @property
    def step(self) -> str:
        return self.attributes["ce_source"].rpartition("/")[2]


class Evidence:
    """What a life left behind."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts = [
            Fact(record, order)
            for order, record in enumerate(world.broker.history)
            if not record.topic.endswith(".dlq")
            and (record.topic, record.partition, record.offset) not in world.mishaps.places
        ]
        self.first: dict[str, Fact] = {}
        """The first record of each event, in the order of the log."""
        self.of_payment: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
        """By payment and topic, the first record of each event."""
        for fact in self.facts:
            if fact.event_id not in self.first:
                self.first[fact.event_id] = fact
                self.of_payment[fact.payment][fact.topic].append(fact)

    def only(self, payment: str, topic: str) -> Fact | None:
        """The one event of this kind; what is more than one is told elsewhere."""
        return next(iter(self.of_payment[payment][topic]), None)

    @cached_property
    def postings(self) -> dict[UUID, Any]:
        """What the ledger recorded."""
        return dict(self.world.ledger._postings)
