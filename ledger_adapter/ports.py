"""The door to the ledger: what moves money (`Ledger`), and what reads it (`LedgerReader`).

Every change takes the unit of work it belongs to, and takes effect when that unit commits. Within
one call the batch is decided in order, each command seeing those before it, and answered in that
order. A refusal is a value and leaves no trace here: what was refused once is remembered by the
inbox of the stage that asked, so ask through an inbox or be ready for another answer. A repeat
(same id, same contents) is answered with the first result, for ever, and moves nothing; the same
id with other contents raises Defect.

One call locks its accounts in the order of their ids, so calls do not deadlock each other. A unit
that makes several calls takes several rounds of locks: it may be the loser of a deadlock, and then
runs again as a whole.

A ledger that cannot share the unit's transaction (one behind HTTP) fits this door as follows. The
unit it takes is the caller's own store. Before it calls out, it writes a row `started` for each id
in a transaction of its own; the id is the reference under which the other side books. It books and
keeps each answer beside that row, refusals included. Who finds `started` without an answer asks the
other side by reference before booking again; a timeout is Unavailable, never a refusal. If the unit
then fails, the money has moved all the same and the batch comes again: each repeat is answered from
the kept rows, which is why a result must be the same field by field, and why a stage may publish
only after its unit has committed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

from domain.account import Account, AccountOpening, Opened
from domain.hold import Capture, Ended, Held, Hold, HoldRefused
from domain.posting import Posted, Posting, Refused

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]


class Participant(Protocol):
    """State in memory that takes part in a unit and can be put back."""

    def snapshot(self) -> object:
        """A copy that later writes do not change."""
        ...

    def restore(self, snapshot: object) -> None:
        """Put the state back to a snapshot."""
        ...


@runtime_checkable
class MemoryUnit(Protocol):
    """A unit that puts its participants back when it fails."""

    def enlist(self, participant: Participant) -> None:
        """Take part; called before each write."""
        ...


@runtime_checkable
class PostgresUnit(Protocol):
    """A READ COMMITTED transaction in progress."""

    @property
    def connection(self) -> "Connection":
        """The connection it runs on."""
        ...


Unit: TypeAlias = PostgresUnit | MemoryUnit
"""The unit of work as the ledger needs it; each adapter takes its own kind and no other."""


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One line of an account's history."""

    sequence: int
    """1 for the account's first entry, then without a gap."""
    posting_id: UUID
    amount_minor: int
    balance_after_minor: int
    posted_at: datetime


class Ledger(Protocol):
    """What moves money. Amounts are minor units; a credit is positive, a debit negative."""

    async def open(self, batch: Sequence[AccountOpening], *, unit: Unit) -> list[Opened]:
        """Open accounts, empty. Does not put money in: that is a posting like any other."""
        ...

    async def post(self, batch: Sequence[Posting], *, unit: Unit) -> list[Posted | Refused]:
        """Record each posting whole, or refuse it whole.

        A refused posting does not stop those after it, and does not use up its id.
        """
        ...

    async def hold(self, batch: Sequence[Hold], *, unit: Unit) -> list[Held | HoldRefused]:
        """Reserve money: what is available falls, the balance does not. Writes no entry.

        A repeat is answered with the first result even if the hold has ended since.
        """
        ...

    async def capture(self, batch: Sequence[Capture], *, unit: Unit) -> list[Posted | Refused]:
        """End each hold by a posting that takes all or part of it; the rest is released.

        Works on frozen accounts, the receiving ones too. Does not ask whether the hold's time is
        over: a hold is open until `expire` has ended it. Raises Defect if the posting does not
        debit the account that the hold is on. There is no second capture of one hold.
        """
        ...

    async def void(self, batch: Sequence[UUID], *, unit: Unit) -> list[Ended | HoldRefused]:
        """Release these holds whole. Does not undo a capture: that takes a further posting."""
        ...

    async def expire(self, *, now: datetime, limit: int, unit: Unit) -> list[Ended]:
        """Release up to `limit` open holds whose time is over at `now`, the oldest first.

        Does not touch holds without a time, and does not go on by itself: call again until the
        answer is short.
        """
        ...

    async def freeze(self, account_ids: Collection[UUID], *, unit: Unit) -> frozenset[UUID]:
        """Stop debits, credits and new holds; the ids that name no account are returned.

        Does not touch the holds there are: they can still be captured, voided and expire.
        """
        ...

    async def unfreeze(self, account_ids: Collection[UUID], *, unit: Unit) -> frozenset[UUID]:
        """Lift the freeze; the ids that name no account are returned."""
        ...


class LedgerReader(Protocol):
    """What reads money, each call on its own: it takes no unit and sees what has committed.

    It decides nothing: between reading a balance and posting, others may post. Raises Unavailable
    if the ledger does not answer. Does not check who asks.
    """

    async def balances(self, account_ids: Collection[UUID]) -> dict[UUID, Account]:
        """These accounts as they stand; ids that name no account are absent."""
        ...

    async def entries(
        self, account_id: UUID, *, before_sequence: int | None = None, limit: int
    ) -> list[AccountEntry]:
        """Up to `limit` entries, the newest first, each with the balance it left.

        The next page begins before the last sequence of this one; no page repeats or skips an
        entry, whatever is posted meanwhile. An account that does not exist has none.
        """
        ...

    async def postings(self, posting_ids: Collection[UUID]) -> dict[UUID, Posted]:
        """These postings as recorded; absent are those never recorded, refused ones included."""
        ...
