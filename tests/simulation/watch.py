"""What must hold at every instant, looked at whenever something commits.

I2, I7  at every commit each balance is the sum of its entries, and nobody is below their minimum
I15     an offset is committed only when all before it is done, its outcomes in the log included
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from aiokafka import TopicPartition

from tests.simulation.broker import LogRecord
from tests.simulation.coordinator import Group
from tests.simulation.database import Session
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

PROJECTION = "payment_projection"


class Watch:
    """Stands beside one life; what it finds broken is told at the end."""

    def __init__(self, world: "World") -> None:
        self.broken: list[str] = []
        self._world = world
        world.server.on_commit.append(self._on_commit)
        world.broker.on_offsets.append(self._on_offsets)

    def _on_commit(self, session: Session) -> None:
        if session.wrote(self._world.ledger):
            self.broken += self._books()
        is_decision = any(session.wrote(inbox) for inbox in self._world.inboxes.values())
        if is_decision and self._is_zombie(session.client):
            self._world.nature.trace.sometimes("a zombie committed, and was the first to do so")

    def _is_zombie(self, client: Process) -> bool:
        return any(each.process is client and each.is_zombie for each in self._world.members)

    def _books(self) -> Iterator[str]:
        ledger = self._world.ledger
        sums: dict[UUID, int] = {}
        for (account_id, _), entry in ledger._entries.items():
            sums[account_id] = sums.get(account_id, 0) + entry.amount_minor
        accounts = ledger._accounts.values()
        for account in accounts:
            if account.balance_minor != sums.get(account.account_id, 0):
                yield f"I2: {account.account_id} has another balance than its entries"
            if account.available_minor < account.minimum_minor:
                yield f"I7: {account.account_id} is below its minimum"
        if sum(account.balance_minor for account in accounts) != 0:
            yield "I1: the balances do not sum to zero"

    def _on_offsets(self, group: Group, place: TopicPartition, offset: int) -> None:
        before = group.committed.get(place, 0)
        for record in self._world.broker.log[place][before:offset]:
            if not self._is_done(group, record):
                self.broken.append(
                    f"I15: {group.name} committed {offset} of {place.topic}/{place.partition} "
                    f"and {record.offset} is not done"
                )

    def _is_done(self, group: Group, record: LogRecord) -> bool:
        world = self._world
        step = group.name.replace("-", "_")
        if (record.topic, record.partition, record.offset) in world.mishaps.places:
            story = (group.name, record.topic, record.partition, record.offset)
            return story in world.broker.letters
        attributes = dict(record.headers)
        event_id = UUID((attributes["ce_id"] or b"").decode())
        if step == PROJECTION:
            payment_id = UUID((attributes["ce_subject"] or b"").decode())
            return payment_id in world.payments.rows
        inbox = world.inboxes[step]
        owner = world.server.owner_of(inbox)
        before = None if owner is None else owner.before(inbox)
        rows = inbox.rows if before is None else before
        assert isinstance(rows, dict)
        idempotency_id = UUID((attributes["idempotency_id"] or b"").decode())
        stored = rows.get((step, idempotency_id))
        if stored is None:
            return False
        name = step if stored.event_id == event_id else f"{event_id}:conflict"
        return stored.outcome_topic is None or uuid5(idempotency_id, name) in world.broker.event_ids
