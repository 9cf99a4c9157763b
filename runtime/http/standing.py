"""Who is believed no more: kept by each edge from a compacted topic, read from its beginning.

A token holds for minutes after it was signed; what was said of its session, person or program
since then ends it at once. An edge that cannot be sure that nothing was missed believes nobody:
it waits for a proof a little, and then answers 503.
"""

import heapq
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.errors import Unavailable
from runtime import limits
from runtime.clock import Clock
from runtime.follow import Follower
from runtime.http.access_token import invalid_token
from runtime.http.caller import Caller
from runtime.http.problem import ProblemError
from runtime.settings import Settings
from runtime.tail import Tail
from runtime.topics import topic_map
from schemas.event import Event
from schemas.standing import Standing, StandingChanged, session_principal

STANDING_WAIT_S: Final = 2.0
"""A request waits so long for a proof that nothing about its caller was missed; then 503."""

MARGIN: Final = timedelta(minutes=1)
"""What is said of a session is forgotten so long after its last token, for clocks that differ."""

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StandingBook:
    """The last word about each principal; none is active. What can matter no more is dropped."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[str, StandingChanged] = {}
        self._endings: list[tuple[datetime, str]] = []

    def __len__(self) -> int:
        return len(self._said)

    def clear(self) -> None:
        """Begin anew: the topic is read from its beginning."""
        self._said.clear()
        self._endings.clear()

    def write(self, events: Sequence[Event]) -> None:
        """Note what was said, in its order for each principal."""
        forgotten = self._clock.now() - MARGIN
        for event in events:
            if not isinstance(event, StandingChanged):
                continue
            self._said.pop(event.principal, None)
            if event.standing is Standing.ACTIVE:
                continue
            if event.expires_at is not None:
                if event.expires_at <= forgotten:
                    continue
                heapq.heappush(self._endings, (event.expires_at, event.principal))
            self._said[event.principal] = event
        self._drop_ended(forgotten)

    def of(self, principal: str) -> Standing:
        """The principal's standing."""
        said = self._said.get(principal)
        return Standing.ACTIVE if said is None else said.standing

    def _drop_ended(self, before: datetime) -> None:
        while self._endings and self._endings[0][0] <= before:
            _, principal = heapq.heappop(self._endings)
            said = self._said.get(principal)
            # A later word may hold for longer, or for ever.
            if said is not None and said.expires_at is not None and said.expires_at <= before:
                del self._said[principal]


class StandingWatch:
    """The book of one edge process and the tail that keeps it."""

    def __init__(self, room: str, settings: Settings, *, clock: Clock) -> None:
        self._book = StandingBook(clock=clock)
        self._tail = Tail(
            lambda: Follower(
                topic_map().tailed_by(room, "standing."),
                bootstrap=settings.kafka_bootstrap or "",
                prefix=settings.topic_prefix,
                since=_BEGINNING,
                wait_ms=limits.TAIL_WAIT_MS,
            ),
            on_start=self._book.clear,
            on_events=self._write,
            clock=clock,
        )

    def start(self) -> None:
        """Begin to follow, unless it was begun before."""
        if not self._tail.has_started:
            self._tail.start()

    async def stop(self) -> None:
        """End."""
        await self._tail.stop()

    async def demand(self, caller: Caller) -> None:
        """Return for a caller in good standing.

        ProblemError 401 if it was revoked, 403 while it is suspended; Unavailable if that cannot
        be told, for whoever may have been revoked since.
        """
        if not self._tail.is_fresh:
            self.start()
            if not await self._tail.fresh_within(STANDING_WAIT_S):
                raise Unavailable("changes of standing do not arrive")
        standings = {self._book.of(caller.client_id)}
        if caller.session_id is not None:
            standings.add(self._book.of(session_principal(caller.session_id)))
        if Standing.REVOKED in standings:
            raise invalid_token()
        if Standing.SUSPENDED in standings:
            raise ProblemError(403, "suspended", "this caller is suspended; ask support")

    async def _write(self, events: Sequence[Event]) -> None:
        self._book.write(events)
