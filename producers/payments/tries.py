"""Which payments were tried before, and when it may be said of one that nothing was done.

That is said of the payment, not of the request: who hears it may pay in another way. So it is not
said while another try of the same key may be in the log: one that a claim in the cache tells of,
one that nobody could be asked about, or a twin that came while this one was under way.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.errors import Unavailable
from producers.payments.decide import Candidate, Known, Verdict, told_of
from producers.payments.quick import QuickAnswers
from projections.payments import accepted_many
from runtime import limits
from runtime.circuit import Circuit
from runtime.clock import Clock
from runtime.database import Database


class KnownPayments:
    """The projection as the memory of which keys were used; it may be away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._circuit = Circuit(
            wait_s_max=limits.ACCEPT_LOOKUP_S_MAX,
            rest_s=limits.ACCEPT_LOOKUP_REST_S,
            clock=clock,
        )

    async def find(self, candidates: Sequence[Candidate]) -> dict[UUID, Known] | None:
        """Those that were accepted before; None while the database does not answer.

        Then a repeat is published again, and says that its key is unproven: the first stage
        compares bodies, and asks for itself whether the payment was decided long ago.
        """
        of_client: dict[str, list[UUID]] = defaultdict(list)
        for candidate in candidates:
            of_client[candidate.client_id].append(candidate.payment_id)

        async def read() -> dict[UUID, Known]:
            known: dict[UUID, Known] = {}
            async with self._database.connection() as connection:
                for client_id, payment_ids in of_client.items():
                    found = await accepted_many(connection, client_id, payment_ids)
                    for payment_id, payment in found.items():
                        known[payment_id] = Known(
                            payment.fingerprint, payment.accepted_at, is_accepted=True
                        )
            return known

        try:
            return await self._circuit.ask(read) if of_client else {}
        except Unavailable:
            return None


class Tried(NamedTuple):
    """What is known of a batch before it goes on."""

    known: dict[UUID, Known]
    unproven: frozenset[UUID]
    """Of these nobody could say whether they were accepted before."""
    claimed: frozenset[UUID]
    """These were claimed for this batch: the cache knew of no try before."""
    at: datetime


class Tries:
    """The cache, and else the projection, as the memory of what was tried."""

    def __init__(self, quick: QuickAnswers, known: KnownPayments) -> None:
        self._quick = quick
        self._known = known

    async def find(self, candidates: Sequence[Candidate], now: datetime) -> Tried:
        """What is known of these; those of which the cache knows nothing are claimed."""
        keyed = [candidate for candidate in candidates if not candidate.is_fresh]
        known, claimed = await self._quick.claim(keyed, now=now)
        # A claim by another body says who came first only while the projection knows no better.
        undecided = [
            candidate
            for candidate in keyed
            if (found := known.get(candidate.payment_id)) is None or not found.is_accepted
        ]
        found_before = await self._known.find(undecided)
        if found_before is None:
            unproven = frozenset(candidate.payment_id for candidate in undecided)
            return Tried(known, unproven, claimed, now)
        return Tried(known | found_before, frozenset(), claimed, now)

    async def refuse(
        self, candidates: Sequence[Candidate], refused: Mapping[UUID, Verdict], tried: Tried
    ) -> dict[UUID, Verdict]:
        """What those candidates are told that were not published, and are not going to be."""
        out = [candidate for candidate in candidates if candidate.payment_id in refused]
        ours = [candidate for candidate in out if candidate.payment_id in tried.claimed]
        first = await self._quick.release(ours, now=tried.at) - tried.unproven
        all_tried = tried.known.keys() | tried.unproven | tried.claimed
        told: dict[UUID, Verdict] = {}
        for candidate in out:
            payment_id = candidate.payment_id
            told[payment_id] = told_of(
                refused[payment_id],
                is_first=candidate.is_fresh or payment_id in first,
                is_tried=payment_id in all_tried,
            )
        doubtful = [
            candidate
            for candidate in out
            if refused[candidate.payment_id] is Verdict.UNAVAILABLE
            and told[candidate.payment_id] is Verdict.UNKNOWN
        ]
        if doubtful:
            await self._quick.hold(doubtful, now=tried.at)
        return told

    async def doubt(self, candidates: Sequence[Candidate], tried: Tried) -> None:
        """Remember that these may be in the log: a repeat is not told that nothing was done."""
        await self._quick.hold(candidates, now=tried.at)

    async def remember(self, accepted: Sequence[tuple[Candidate, datetime]]) -> None:
        """Remember that these are in the log, with the time at which each was accepted."""
        await self._quick.remember(accepted)
