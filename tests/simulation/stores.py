"""The house's memory ports behind a network: each call travels, may be cut, locks and waits.

What they decide and keep is the house's own code; here is only when it happens.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from consumers.handle_resolution.decide import Acceptance
from consumers.handle_resolution.store import MemoryDirectory
from consumers.payment_projection.store import MemoryPayments
from consumers.risk_screening.decide import PayerState
from consumers.risk_screening.store import MemoryPayers
from domain.directory import HandleEntry
from domain.posting import Posted, Posting, Refused
from ledger_adapter.memory import MemoryLedger
from ledger_adapter.ports import Unit as LedgerUnit
from projections.payment_fold import PaymentRow
from runtime.inbox import DecidedBefore, MemoryInbox, Row, Stored
from runtime.unit import Unit
from schemas.event import Delivered
from tests.simulation.database import Session, session_of
from tests.simulation.loop import running
from tests.simulation.nature import Nature


class SharedInbox(MemoryInbox):
    """The inbox of one step, written by all of its processes."""

    def __init__(self, nature: Nature) -> None:
        super().__init__()
        self._nature = nature

    @property
    def rows(self) -> Mapping[tuple[str, UUID], Stored]:
        """All rows, committed or not."""
        return self._rows

    async def prepare(self, days: set[date], today: date) -> None:
        """A round trip of its own, before the unit."""
        await self._nature.travel()

    async def read(
        self, unit: Unit, step: str, delivered: Sequence[Delivered[Any]], near: Collection[date]
    ) -> dict[UUID, Stored]:
        """What was committed, without a lock: a twin may be about to write the same."""
        session = session_of(unit)
        await session.asks()
        with session.committed(self):
            found = await super().read(unit, step, delivered, near)
        session.note_read(self)
        if found:
            self._nature.trace.sometimes("a duplicate was known to the inbox")
        await session.hears()
        return found

    async def write(self, unit: Unit, step: str, rows: Sequence[Row]) -> None:
        """Wait for twins, and give up if one of them was first: the primary key is taken."""
        session = session_of(unit)
        await session.asks(self)
        try:
            await super().write(unit, step, rows)
        except DecidedBefore:
            is_known = session.has_read(self)
            what = "a twin had stored its outcome first" if is_known else "an unread inbox refused"
            self._nature.trace.sometimes(what)
            session.end()
            raise
        await session.hears()


class SharedLedger(MemoryLedger):
    """The ledger of all processes."""

    async def post(self, batch: Sequence[Posting], *, unit: LedgerUnit) -> list[Posted | Refused]:
        """Record each posting whole, or refuse it whole."""
        assert isinstance(unit, Session)
        await unit.asks(self)
        results = await super().post(batch, unit=unit)
        await unit.hears()
        return results

    async def freeze(self, account_ids: Collection[UUID], *, unit: LedgerUnit) -> frozenset[UUID]:
        """Stop accounts."""
        assert isinstance(unit, Session)
        await unit.asks(self)
        return await super().freeze(account_ids, unit=unit)

    async def unfreeze(self, account_ids: Collection[UUID], *, unit: LedgerUnit) -> frozenset[UUID]:
        """Let them go on."""
        assert isinstance(unit, Session)
        await unit.asks(self)
        return await super().unfreeze(account_ids, unit=unit)


class SharedPayers(MemoryPayers):
    """The payers' states of all processes. A first payment finds no row to lock, as in SQL."""

    async def read(self, unit: Unit, account_ids: Collection[UUID]) -> dict[UUID, PayerState]:
        """The states of these payers, locked where they have a row."""
        session = session_of(unit)
        await session.asks()
        with session.committed(self):
            found = await super().read(unit, account_ids)
        if any(state != PayerState(state.tier) for state in found.values()):
            await session.asks(self)
            found = await super().read(unit, account_ids)
        await session.hears()
        return found

    async def write(self, unit: Unit, states: Mapping[UUID, PayerState]) -> None:
        """Keep these states."""
        session = session_of(unit)
        await session.asks(self)
        await super().write(unit, states)
        await session.hears()


class SharedPayments(MemoryPayments):
    """The read model of payments, and what others read of it."""

    async def merge(self, unit: Unit, rows: Sequence[PaymentRow]) -> None:
        """Join rows into what is known."""
        session = session_of(unit)
        await session.asks(self)
        await super().merge(unit, rows)
        running().doing = "the end of a projected batch"
        await session.hears()


class SharedDirectory(MemoryDirectory):
    """The directory, with its past."""

    def __init__(self) -> None:
        super().__init__()
        self.past: dict[tuple[str, int], HandleEntry] = {}

    def put(self, entry: HandleEntry) -> None:
        """Let a handle stand as this entry says, from now on."""
        super().put(entry)
        self.past[entry.handle, entry.version] = entry

    async def read(self, unit: Unit, handles: Collection[str]) -> Mapping[str, HandleEntry]:
        """Those of the handles that were ever claimed."""
        session = session_of(unit)
        await session.asks()
        found = await super().read(unit, handles)
        await session.hears()
        return found


class ProjectedAcceptances:
    """How payments came in the first time, as far as the projection has come."""

    def __init__(self, payments: SharedPayments) -> None:
        self._payments = payments

    async def read(self, unit: Unit, payment_ids: Collection[UUID]) -> Mapping[UUID, Acceptance]:
        """Those of these payments that are projected."""
        session = session_of(unit)
        await session.asks()
        with session.committed(self._payments):
            rows = [self._payments.rows.get(payment_id) for payment_id in payment_ids]
        await session.hears()
        return {
            row.payment_id: Acceptance(row.accepted_at, row.fingerprint)
            for row in rows
            if row is not None and row.fingerprint is not None and row.accepted_at is not None
        }
