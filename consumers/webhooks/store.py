"""Planning on PostgreSQL."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from projections import webhook_events
from projections.webhook_fold import ToldEvent
from runtime.clock import Clock
from runtime.unit import PostgresUnit, Unit

OWNERS_MAX: Final = 50_000
"""Payments whose owner is remembered: the next event of one mostly comes within a second."""


class PostgresBook:
    """The tables of webhooks.

    Remembers owners, which never change. The projection of payments may not have a payment yet
    whose next event is here: such an event strays until it has (see `adopt_strays`).
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._owners: OrderedDict[UUID, str] = OrderedDict()

    async def has_endpoints(self, unit: Unit) -> bool:
        """One query that reads one row."""
        assert isinstance(unit, PostgresUnit)
        return await webhook_events.has_endpoints(unit.connection)

    async def owners(self, unit: Unit, subjects: Collection[UUID]) -> Mapping[UUID, str]:
        """One query for those that are not remembered."""
        assert isinstance(unit, PostgresUnit)
        found = {each: self._owners[each] for each in subjects if each in self._owners}
        missing = set(subjects) - found.keys()
        found.update(await webhook_events.owners_of(unit.connection, missing))
        self._remember(found)
        return found

    async def keep_owners(self, unit: Unit, owners: Mapping[UUID, tuple[str, datetime]]) -> None:
        """One statement, if there is any."""
        assert isinstance(unit, PostgresUnit)
        await webhook_events.keep_owners(unit.connection, owners)

    async def plan(self, unit: Unit, events: Sequence[ToldEvent]) -> None:
        """One transaction for the batch."""
        assert isinstance(unit, PostgresUnit)
        await webhook_events.plan(unit.connection, events, self._clock.now())
        said = {event.subject: event.client_id for event in events if event.client_id is not None}
        self._remember(said)

    def _remember(self, owners: Mapping[UUID, str]) -> None:
        self._owners.update(owners)
        while len(self._owners) > OWNERS_MAX:
            self._owners.popitem(last=False)
