"""Letting payments in, many at a time: requests that arrive together share every round trip.

For each: is its key known (cache, else projection)? If not, and if the payer's handle is the
caller's to pay from, publish it with acks=all, then remember it. Nothing is written to a database.
A request that goes away does not stop its payment: the work belongs to the batch, not to the
request.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from domain.errors import Unavailable, Unknown
from producers.payments.decide import Candidate, Verdict, message_of, verdict_of
from producers.payments.payers import Payers
from producers.payments.quick import QuickAnswers
from producers.payments.tries import KnownPayments, Tried, Tries
from producers.payments.words import Descriptions
from runtime import limits
from runtime.clock import Clock
from runtime.crash_points import Point, crash_point
from runtime.publisher import Publisher
from runtime.vault import Vault

log = structlog.get_logger()

_ROOM: Final = "payments"


@dataclass(slots=True)
class _Entry:
    """A candidate at the door, and everybody who waits for its verdict."""

    candidate: Candidate
    arrived_s: float
    waiters: list[asyncio.Future[Verdict]] = field(default_factory=list)


class Acceptor:
    """Gives each candidate its verdict."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        quick: QuickAnswers,
        known: KnownPayments,
        payers: Payers,
        vault: Vault,
        clock: Clock,
    ) -> None:
        self._publisher = publisher
        self._tries = Tries(quick, known)
        self._payers = payers
        self._vault = vault
        self._descriptions = Descriptions(vault, clock)
        self._clock = clock
        self._open: dict[UUID, _Entry] = {}
        self._queue: deque[_Entry] = deque()
        self._batches: set[asyncio.Task[None]] = set()
        self._is_scheduled = False

    async def accept(self, candidate: Candidate) -> Verdict:
        """The verdict on one candidate. Cancelling the wait does not take the payment back."""
        verdict = self._enter(candidate)
        return await verdict if isinstance(verdict, asyncio.Future) else verdict

    async def accept_many(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """The verdicts on several, in their order."""
        return await asyncio.gather(*map(self.accept, candidates))

    async def drain(self) -> None:
        """Wait for the batches under way; called once no request can arrive."""
        while self._batches:
            await asyncio.wait(self._batches)

    def _enter(self, candidate: Candidate) -> asyncio.Future[Verdict] | Verdict:
        entry = self._open.get(candidate.payment_id)
        if entry is not None and entry.candidate.fingerprint != candidate.fingerprint:
            return Verdict.REUSED
        if entry is None:
            if len(self._queue) >= limits.ACCEPT_QUEUE_MAX:
                # Nobody has looked whether the key was used before.
                return Verdict.UNAVAILABLE if candidate.is_fresh else Verdict.UNKNOWN
            entry = _Entry(candidate, self._clock.monotonic_s())
            self._open[candidate.payment_id] = entry
            self._queue.append(entry)
            self._schedule()
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        entry.waiters.append(future)
        return future

    def _schedule(self) -> None:
        busy = len(self._batches) >= limits.ACCEPT_BATCHES_IN_FLIGHT_MAX
        if self._queue and not busy and not self._is_scheduled:
            self._is_scheduled = True
            # On the next turn of the loop, so that all requests of this one are in the batch.
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._is_scheduled = False
        size = min(len(self._queue), limits.ACCEPT_BATCH_MAX)
        entries = [self._queue.popleft() for _ in range(size)]
        batch = asyncio.create_task(self._run(entries))
        batch.add_done_callback(self._finished)
        self._batches.add(batch)
        self._schedule()

    def _finished(self, batch: asyncio.Task[None]) -> None:
        self._batches.discard(batch)
        self._schedule()

    async def _run(self, entries: list[_Entry]) -> None:
        try:
            verdicts = await self._verdicts(entries)
        except asyncio.CancelledError:
            # Whoever ends this work knows nothing of these payments, and nobody else would answer
            # for them: a repeat would wait for a verdict that never comes.
            for entry in entries:
                self._leave(entry, Verdict.UNKNOWN)
            raise
        except Exception as error:
            log.exception("accept_failed", payments=len(entries))
            for entry in entries:
                self._leave(entry, error)
            return
        for entry, verdict in zip(entries, verdicts, strict=True):
            self._leave(entry, verdict)

    def _leave(self, entry: _Entry, outcome: Verdict | Exception) -> None:
        del self._open[entry.candidate.payment_id]
        for place, waiter in enumerate(entry.waiters):
            if waiter.done():
                continue
            if isinstance(outcome, Exception):
                waiter.set_exception(outcome)
            elif place > 0 and outcome is Verdict.ACCEPTED:
                waiter.set_result(Verdict.REPLAYED)
            else:
                waiter.set_result(outcome)

    async def _verdicts(self, entries: list[_Entry]) -> list[Verdict]:
        now = self._clock.now()
        candidates = [entry.candidate for entry in entries]
        tried = await self._tries.find(candidates, now)
        verdicts: dict[UUID, Verdict] = {}
        fresh: list[tuple[Candidate, datetime]] = []
        for candidate in candidates:
            seen = tried.known.get(candidate.payment_id)
            verdict = verdict_of(candidate, seen, self._vault)
            if verdict is None:
                # A retry keeps the time of the first try: it dates all that follows.
                fresh.append((candidate, now if seen is None else seen.accepted_at))
            else:
                verdicts[candidate.payment_id] = verdict
        owners: dict[UUID, str] = {}
        if any(candidate.is_payer_checked for candidate, _ in fresh):
            owners, refused = await self._owners([candidate for candidate, _ in fresh], tried)
            verdicts.update(refused)
            fresh = [each for each in fresh if each[0].payment_id not in refused]
        sealed = await self._descriptions.seal([candidate for candidate, _ in fresh])
        if sealed.refused:
            verdicts.update(await self._tries.refuse(candidates, sealed.refused, tried))
            fresh = [each for each in fresh if each[0].payment_id not in sealed.refused]
        if fresh:
            waited_s = self._clock.monotonic_s() - min(entry.arrived_s for entry in entries)
            deadline_s = limits.EDGE_PUBLISH_S_MAX - waited_s
            verdicts.update(
                await self._publish(fresh, sealed.descriptions, tried, owners, deadline_s)
            )
        return [verdicts[candidate.payment_id] for candidate in candidates]

    async def _owners(
        self, fresh: Sequence[Candidate], tried: Tried
    ) -> tuple[dict[UUID, str], dict[UUID, Verdict]]:
        """Whose handle each is to pay from; and the verdicts on those that may not go on."""
        checked = [candidate for candidate in fresh if candidate.is_payer_checked]
        found = await self._payers.owners(checked)
        owners = {payment_id: owner for payment_id, owner in found.items() if owner is not None}
        refused = {
            payment_id: Verdict.UNAVAILABLE if payment_id in found else Verdict.STRANGER
            for candidate in checked
            if (payment_id := candidate.payment_id) not in owners
        }
        if refused:
            refused = await self._tries.refuse(checked, refused, tried)
        return owners, refused

    async def _publish(
        self,
        fresh: Sequence[tuple[Candidate, datetime]],
        descriptions: Mapping[UUID, str],
        tried: Tried,
        owners: Mapping[UUID, str],
        deadline_s: float,
    ) -> dict[UUID, Verdict]:
        candidates = [candidate for candidate, _ in fresh]
        payment_ids = [candidate.payment_id for candidate in candidates]
        now = self._clock.now()
        messages = [
            message_of(
                candidate,
                accepted_at=accepted_at,
                now=now,
                description_sealed=descriptions.get(candidate.payment_id),
                is_key_unproven=candidate.payment_id in tried.unproven,
                payer_client_id=owners.get(candidate.payment_id),
            )
            for candidate, accepted_at in fresh
        ]
        try:
            if deadline_s <= 0:
                raise Unavailable("the broker has been slow for too long")
            await self._publisher.publish(messages, deadline_s=deadline_s)
        except Unknown:
            await self._tries.doubt(candidates, tried)
            return dict.fromkeys(payment_ids, Verdict.UNKNOWN)
        except Unavailable:
            refused = dict.fromkeys(payment_ids, Verdict.UNAVAILABLE)
            return await self._tries.refuse(candidates, refused, tried)
        crash_point(_ROOM, Point.REMEMBER_BEFORE)
        await self._tries.remember(fresh)
        crash_point(_ROOM, Point.REMEMBER_AFTER)
        return dict.fromkeys(payment_ids, Verdict.ACCEPTED)
