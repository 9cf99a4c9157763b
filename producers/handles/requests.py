"""Requests about handles: onto the log, and what the directory made of them."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis

from domain.errors import Unavailable
from producers.handles.decide import Candidate, message_of
from producers.handles.names import sealed_name
from projections.directory import DirectoryChange, read_changes
from runtime import limits
from runtime.cache import Cache
from runtime.changes import Feed
from runtime.circuit import Circuit
from runtime.crash_points import Point, crash_point
from runtime.database import Database
from runtime.fingerprints import is_same_body
from runtime.http.idempotency import key_reused
from runtime.http.resources import EdgeResources

_SEPARATOR: Final = "|"
_ROOM: Final = "handles"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is in the log: its outcome if it is decided, and whether it was before."""

    change: DirectoryChange | None
    is_replayed: bool


class PendingRequests:
    """Remembers for a while whose accepted request an id is. Without a cache it does not."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._prefix = f"{cache.prefix}handles:request:"

    async def remember(self, request_id: UUID, *, client_id: str, handle: str) -> None:
        """Note an accepted request."""

        async def write(redis: Redis) -> None:
            await redis.set(
                f"{self._prefix}{request_id}",
                f"{client_id}{_SEPARATOR}{handle}",
                ex=limits.DECISION_NOTE_S,
            )

        try:
            await self._cache.ask(write)
        except Unavailable:
            return

    async def handle_of(self, request_id: UUID, *, client_id: str) -> str | None:
        """The handle that this client's request is about, if it is remembered."""

        async def read(redis: Redis) -> str:
            value: Any = await redis.get(f"{self._prefix}{request_id}")
            return "" if value is None else str(value, "utf-8")

        try:
            owner, _, handle = (await self._cache.ask(read)).partition(_SEPARATOR)
        except Unavailable:
            return None
        return handle if owner == client_id else None


class Requests:
    """Asks the directory through the log."""

    def __init__(
        self,
        resources: EdgeResources,
        *,
        decisions: Feed[UUID, DirectoryChange],
        pending: PendingRequests,
    ) -> None:
        self._publisher = resources.publisher
        self._database: Database = resources.database
        self._vault = resources.vault
        self._clock = resources.clock
        self._decisions = decisions
        self._pending = pending
        self._circuit = Circuit(
            wait_s_max=limits.ACCEPT_LOOKUP_S_MAX,
            rest_s=limits.ACCEPT_LOOKUP_REST_S,
            clock=resources.clock,
        )

    async def ask(self, candidate: Candidate, *, is_fresh: bool, wait_s: float) -> Asked:
        """Publish the request unless it was decided before, and wait for its outcome.

        `is_fresh` says that its key was made for it. ProblemError 422 if the key was used with
        another body; Unknown if the request may be in the log; Unavailable if it is not.
        """
        if not is_fresh:
            known = await self._known(candidate.request_id)
            if known is not None:
                return Asked(self._same_body(known, candidate), is_replayed=True)
        sealed = await sealed_name(self._vault, candidate)
        message = message_of(candidate, now=self._clock.now(), display_name_sealed=sealed)
        await self._publisher.publish([message], deadline_s=limits.EDGE_PUBLISH_S_MAX)
        change = await self.decided(candidate.request_id, wait_s=wait_s)
        if change is not None:
            return Asked(self._same_body(change, candidate), is_replayed=False)
        crash_point(_ROOM, Point.REMEMBER_BEFORE)
        await self._pending.remember(
            candidate.request_id, client_id=candidate.origin.client_id, handle=candidate.handle
        )
        crash_point(_ROOM, Point.REMEMBER_AFTER)
        return Asked(None, is_replayed=False)

    async def decided(self, request_id: UUID, *, wait_s: float) -> DirectoryChange | None:
        """The outcome of a request, if there is one within the wait."""
        try:
            return await self._decisions.wait_for(request_id, lambda _: True, timeout_s=wait_s)
        except Unavailable:
            return None

    async def outcome(self, request_id: UUID) -> DirectoryChange | None:
        """The outcome of a request as it stands; Unavailable if the database does not answer."""
        async with self._database.connection() as connection:
            return (await read_changes(connection, [request_id])).get(request_id)

    async def _known(self, request_id: UUID) -> DirectoryChange | None:
        try:
            return await self._circuit.ask(lambda: self.outcome(request_id))
        except Unavailable:
            # Asked for again without knowing: the stage decides a request once.
            return None

    def _same_body(self, change: DirectoryChange, candidate: Candidate) -> DirectoryChange:
        if not is_same_body(change.fingerprint, candidate.origin.fingerprint, self._vault):
            raise key_reused()
        return change
