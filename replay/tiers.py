"""Which tier a payer had when a payment of theirs was resolved, from the log alone."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from domain.client import client_of
from replay.projection import Understanding
from replay.source import Source
from replay.vector import places_of
from schemas.account import AccountOpened
from schemas.person import PersonTierChanged

TOPICS: Final = (AccountOpened.TOPIC, PersonTierChanged.TOPIC)


@dataclass(frozen=True, slots=True)
class _Holder:
    """When each tier of a person began to hold, by the broker's clock, in that order."""

    began_ms: list[int] = field(default_factory=list)
    changes: list[PersonTierChanged] = field(default_factory=list)


class Tiers:
    """The tiers of accounts over time: as opened, until the log told of another of their holder.

    A change counts from its append on. The stage heard of it a moment later: a payment that was
    resolved within that moment may have been decided under the tier before.
    """

    def __init__(self) -> None:
        self._opened: dict[UUID, AccountOpened] = {}
        self._holders: dict[str, _Holder] = defaultdict(_Holder)

    def open(self, event: AccountOpened) -> None:
        """An account was opened; of several openings the first stands."""
        self._opened.setdefault(event.account_id, event)

    def change(self, event: PersonTierChanged, appended_ms: int) -> None:
        """A person's tier changed; events of one person come in the order of the log."""
        holder = self._holders[client_of(event.person_id)]
        if holder.changes and holder.changes[-1].version >= event.version:
            return
        holder.began_ms.append(appended_ms)
        holder.changes.append(event)

    def at(self, account_id: UUID, appended_ms: int) -> str | None:
        """The tier of an account at a time; None if nobody opened it."""
        opened = self._opened.get(account_id)
        if opened is None:
            return None
        holder = self._holders.get(opened.client_id)
        told = 0 if holder is None else bisect_right(holder.began_ms, appended_ms)
        return opened.tier if holder is None or told == 0 else holder.changes[told - 1].tier


async def tiers_of(source: Source) -> Tiers:
    """The tiers that the log tells of."""
    tiers, understanding = Tiers(), Understanding()
    for topic in TOPICS:
        async for place, records in source.read({}, await source.end(places_of([topic]))):
            for record in records:
                delivered = understanding(place.topic, record)
                if delivered is None:
                    continue
                if isinstance(delivered.event, PersonTierChanged):
                    tiers.change(delivered.event, record.timestamp)
                else:
                    tiers.open(delivered.event)
    return tiers
