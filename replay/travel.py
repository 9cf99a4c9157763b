"""What was known of one payment, account or handle at an instant: folded from the log alone.

The instant is the broker's: what it had appended by then, that millisecond included. An event's own
time is when it was decided, which is a little earlier.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.directory import HandleEntry
from domain.payment import State
from projections import accounts, directory
from projections.accounts import AccountProfile
from projections.payment_fold import PaymentRow, fold
from replay.log import from_ms
from replay.projection import PROJECTIONS, Name, Understanding
from replay.source import Source
from replay.vector import Place, Vector, places_of, record_count
from runtime.dead_letter import Record
from schemas.account import AccountOpened
from schemas.event import Delivered
from schemas.payment import PaymentPosted

_ORDER: Final = (State.POSTED, State.REFUSED, State.SCREENED, State.RESOLVED)
"""The states that a row's times may say, the one that counts first."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the story, and where it lies."""

    name: str
    place: Place
    offset: int
    appended_at: datetime


@dataclass(slots=True)
class PaymentThen:
    """A payment as the projection would have shown it."""

    row: PaymentRow
    events: list[Event] = field(default_factory=list)

    @property
    def state(self) -> State:
        """Where it stood."""
        reached = (each for each in _ORDER if getattr(self.row, f"{each.value}_at") is not None)
        return next(reached, State.REQUESTED)


@dataclass(slots=True)
class AccountThen:
    """An account, and what the payments posted by then come to."""

    profile: AccountProfile | None = None
    balance_minor: int = 0
    payments_sent: int = 0
    payments_received: int = 0
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class HandleThen:
    """A handle, and how it came to name what it named."""

    entry: HandleEntry | None = None
    events: list[Event] = field(default_factory=list)


class Traveller:
    """Looks at the log as of an instant. `on_total` and `on_progress` hear of the records read."""

    def __init__(
        self,
        source: Source,
        time: datetime,
        *,
        on_total: Callable[[int], None],
        on_progress: Callable[[int], None],
    ) -> None:
        self._source = source
        self._time = time
        self._on_total = on_total
        self._on_progress = on_progress

    async def payment(self, payment_id: UUID) -> PaymentThen | None:
        """The payment; None if it was not asked for by then. Its description stays sealed."""
        wanted = str(payment_id).encode()
        then: PaymentThen | None = None
        places = places_of(PROJECTIONS[Name.PAYMENTS].topics)
        start = await self._source.begin(places)
        async for delivered, event in self._events(
            places, start, lambda record: _header(record, "ce_subject") == wanted
        ):
            then = then or PaymentThen(PaymentRow(payment_id))
            then.row = fold(then.row, delivered.event, delivered.envelope.occurred_at)
            then.events.append(event)
        if then is None or then.row.client_id is None:
            # Not here: but that can be said only of a log that is whole.
            await self._source.demand_whole(places)
            return None
        then.events.sort(key=lambda event: event.appended_at)
        return then

    async def account(self, account_id: UUID) -> AccountThen | None:
        """The account; None if it was not open by then."""
        wanted = str(account_id)
        then = AccountThen()
        places = places_of([AccountOpened.TOPIC, PaymentPosted.TOPIC])
        await self._source.demand_whole(places)
        async for delivered, event in self._events(
            places, {}, lambda record: wanted.encode() in (record.value or b"")
        ):
            self._add(then, account_id, delivered, event)
        return None if then.profile is None else then

    def _add(
        self, then: AccountThen, account_id: UUID, delivered: Delivered[Any], event: Event
    ) -> None:
        posted = delivered.event
        if isinstance(posted, AccountOpened):
            if posted.account_id == account_id:
                then.profile = accounts.fold(then.profile, posted)
                then.events.append(event)
            return
        if posted.payer_account_id == account_id:
            then.balance_minor -= posted.amount_minor
            then.payments_sent += 1
        if posted.payee_account_id == account_id:
            then.balance_minor += posted.amount_minor
            then.payments_received += 1

    async def handle(self, handle: str) -> HandleThen | None:
        """The handle, released or not; None if nobody had claimed it by then."""
        wanted = handle.encode()
        then = HandleThen()
        places = places_of(PROJECTIONS[Name.DIRECTORY].topics)
        await self._source.demand_whole(places)
        async for delivered, event in self._events(places, {}, lambda record: record.key == wanted):
            then.entry = directory.fold(then.entry, delivered.event)
            then.events.append(event)
        then.events.sort(key=lambda event: event.appended_at)
        return None if then.entry is None else then

    async def _events(
        self, places: Sequence[Place], start: Vector, is_wanted: Callable[[Record], bool]
    ) -> AsyncIterator[tuple[Delivered[Any], Event]]:
        end = await self._source.at(places, self._time)
        self._on_total(record_count(start, end))
        understanding = Understanding()
        # The same event may lie there twice, where a stage published it again.
        seen: set[UUID] = set()
        async for place, records in self._source.read(start, end):
            self._on_progress(len(records))
            for record in filter(is_wanted, records):
                delivered = understanding(place.topic, record)
                if delivered is not None and delivered.envelope.event_id not in seen:
                    seen.add(delivered.envelope.event_id)
                    name = type(delivered.event).__name__
                    at = from_ms(record.timestamp)
                    yield delivered, Event(name, place, record.offset, at)


def _header(record: Record, name: str) -> bytes | None:
    return next((value for each, value in record.headers if each == name), None)
