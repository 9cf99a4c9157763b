"""Whose handle a payment is to come from: told early here, decided by handle resolution.

A person pays from handles of their own; a program from its own, and from those whose owners let
it. What is not the caller's to pay from is answered at once, as if nobody held it. The answer may
be a moment old, or missing while the database is away: the payment then says whom it takes from,
and the stage compares that with the directory.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from domain.errors import Unavailable
from producers.payments.decide import Candidate
from projections.directory import read_handles
from projections.payer_grants import standing
from runtime import limits
from runtime.circuit import Circuit
from runtime.clock import Clock
from runtime.database import Database

PAYERS_KNOWN_MAX: Final = 10_000
"""Handles that one edge process knows to be their caller's: some 3 MB."""

PAYER_KNOWN_S: Final = 60.0
"""Such a handle is looked up anew after half of this to all of it."""

_PROGRAM: Final = "client:"


class Payers:
    """Remembers which handles were their callers' own; what is not is asked each time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()
        self._circuit = Circuit(
            wait_s_max=limits.ACCEPT_LOOKUP_S_MAX,
            rest_s=limits.ACCEPT_LOOKUP_REST_S,
            clock=clock,
        )

    async def owners(self, candidates: Sequence[Candidate]) -> dict[UUID, str | None]:
        """Whose handle each of these is to pay from; absent where the client may not.

        One query for all that are not known, none if all are. None where the database does not
        answer and only it could tell on whose behalf a program pays.
        """
        now_s = self._clock.monotonic_s()
        owners: dict[UUID, str | None] = {}
        asked: list[Candidate] = []
        for candidate in candidates:
            known = self._known.get((candidate.client_id, candidate.from_handle))
            if known is not None and now_s < known[1]:
                owners[candidate.payment_id] = known[0]
            else:
                asked.append(candidate)
        if asked:
            owners |= await self._ask(asked)
        return owners

    async def _ask(self, candidates: Sequence[Candidate]) -> dict[UUID, str | None]:
        try:
            found = await self._circuit.ask(lambda: self._read(candidates))
        except Unavailable:
            # The stage knows, and a person could pay from nobody else's handle.
            return {
                each.payment_id: None if each.client_id.startswith(_PROGRAM) else each.client_id
                for each in candidates
            }
        owners: dict[UUID, str | None] = {}
        for candidate in candidates:
            owner = found.get((candidate.client_id, candidate.from_handle))
            if owner is not None:
                owners[candidate.payment_id] = owner
                self._remember(candidate, owner)
        return owners

    async def _read(self, candidates: Sequence[Candidate]) -> dict[tuple[str, str], str]:
        async with self._database.connection() as connection:
            entries = await read_handles(connection, {each.from_handle for each in candidates})
            found: dict[tuple[str, str], str] = {}
            of_others: set[tuple[str, str, str]] = set()
            for each in candidates:
                entry = entries.get(each.from_handle)
                if entry is None or entry.target is None:
                    continue
                if entry.client_id == each.client_id:
                    found[each.client_id, each.from_handle] = each.client_id
                elif each.client_id.startswith(_PROGRAM):
                    of_others.add((each.client_id, each.from_handle, entry.client_id))
            if of_others:
                for client_id, handle, owner in await standing(connection, of_others):
                    found[client_id, handle] = owner
        return found

    def _remember(self, candidate: Candidate, owner: str) -> None:
        until_s = self._clock.monotonic_s() + self._clock.jitter(PAYER_KNOWN_S)
        key = candidate.client_id, candidate.from_handle
        self._known[key] = owner, until_s
        self._known.move_to_end(key)
        if len(self._known) > PAYERS_KNOWN_MAX:
            self._known.popitem(last=False)
