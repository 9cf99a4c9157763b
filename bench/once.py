"""Whether everything happened, and happened once: read from the log and the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.figures import Figure
from bench.log import Ending
from runtime.database import Database
from schemas.payment import PaymentPosted

_LEDGER: Final = """
SELECT (SELECT count(*) FROM ledger_postings) AS postings,
       (SELECT count(*) FROM ledger_entries) AS entries,
       (SELECT coalesce(sum(amount_minor), 0) FROM ledger_entries) AS total_minor,
       (SELECT count(*) FROM payments WHERE state = 'posted') AS payments,
       (SELECT count(*) FROM ledger_accounts AS account
        WHERE balance_minor <> (SELECT coalesce(sum(amount_minor), 0) FROM ledger_entries AS entry
                                WHERE entry.account_id = account.account_id)) AS wrong_balances
"""


@dataclass(frozen=True, slots=True)
class Once:
    """What was counted. `repeats` are records that told an end again: that is allowed."""

    missing: int
    twice: int
    repeats: int

    def figures(self, shared: str) -> list[Figure]:
        """Rows of a table; what must not be has the target 0."""
        row = partial(Figure, group="everything once", unit="", shared=shared)
        return [
            row(name="payments that were not posted", value=self.missing, target=0),
            row(
                name="payments with two ends, or two postings, and wrong balances",
                value=self.twice,
                target=0,
            ),
            row(
                name="records that told the same end again, and were recognised",
                value=self.repeats,
            ),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the tables hold, counted."""

    postings: int
    entries: int
    total_minor: int
    payments: int
    wrong_balances: int


async def found_once(database: Database, endings: Sequence[Ending], sent: int) -> Once:
    """Hold the ends in the log against what was sent, and the ledger against the payments."""
    async with database.connection() as connection:
        row = await connection.fetchrow(_LEDGER)
    assert row is not None
    return judged(endings, Books(**{name: int(count) for name, count in row.items()}), sent)


def judged(endings: Sequence[Ending], books: Books, sent: int) -> Once:
    """The same as arithmetic."""
    events: dict[object, set[object]] = {}
    for ending in endings:
        events.setdefault(ending.payment_id, set()).add(ending.event_id)
    refused = {end.payment_id for end in endings if end.topic != PaymentPosted.TOPIC}
    twice = (
        sum(len(each) > 1 for each in events.values())
        + abs(books.postings - books.payments)
        + abs(books.entries - 2 * books.postings)
        + books.wrong_balances
        + (books.total_minor != 0)
    )
    return Once(
        missing=sent - len(events.keys() - refused),
        twice=twice,
        repeats=len(endings) - sum(map(len, events.values())),
    )
