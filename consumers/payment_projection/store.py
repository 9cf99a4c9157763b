"""The read model of payments in PostgreSQL, and the same in memory."""

from collections.abc import Sequence
from uuid import UUID

from projections import payments
from projections.payment_fold import PaymentRow, join
from runtime.unit import MemoryUnit, PostgresUnit, Unit


class PostgresPayments:
    """The table `payments`."""

    async def merge(self, unit: Unit, rows: Sequence[PaymentRow]) -> None:
        """One statement for the batch."""
        assert isinstance(unit, PostgresUnit)
        await payments.merge(unit.connection, rows)


class MemoryPayments:
    """Rows by payment; nobody waits for them."""

    def __init__(self) -> None:
        self.rows: dict[UUID, PaymentRow] = {}

    def snapshot(self) -> object:
        """A copy of all rows."""
        return dict(self.rows)

    def restore(self, snapshot: object) -> None:
        """Put a copy back."""
        assert isinstance(snapshot, dict)
        self.rows = dict(snapshot)

    async def merge(self, unit: Unit, rows: Sequence[PaymentRow]) -> None:
        """Join rows into what is known."""
        assert isinstance(unit, MemoryUnit)
        unit.enlist(self)
        for row in rows:
            known = self.rows.get(row.payment_id)
            self.rows[row.payment_id] = row if known is None else join(known, row)
