"""What the payment projection needs from outside."""

from collections.abc import Sequence
from typing import Protocol

from projections.payment_fold import PaymentRow
from runtime.unit import Unit


class Payments(Protocol):
    """The read model of payments."""

    async def merge(self, unit: Unit, rows: Sequence[PaymentRow]) -> None:
        """Join rows into what is known, and tell those who wait when the unit commits.

        One row a payment, sorted by payment_id, one at least.
        """
        ...
