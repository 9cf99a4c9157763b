"""Forgets what is over: sealed successors after their grace, old sessions, meters at rest."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog

from domain.errors import TitanError
from producers.auth import limits
from runtime.clock import Clock
from runtime.database import Database

log = structlog.get_logger()

_UNSEAL: Final = """
    UPDATE auth_refresh_tokens SET successor_sealed = NULL
    WHERE token_hash IN (
        SELECT token_hash FROM auth_refresh_tokens
        WHERE successor_sealed IS NOT NULL AND rotated_at < $1
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""

_SESSIONS: Final = """
    DELETE FROM auth_sessions
    WHERE session_id IN (
        SELECT session_id FROM auth_sessions WHERE expires_at < $1
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""

_METERS: Final = """
    DELETE FROM auth_meters
    WHERE meter IN (
        SELECT meter FROM auth_meters
        WHERE touched_at < $1 AND COALESCE(drained_at, touched_at) < $1
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""


class Housekeeping:
    """Runs in each process of the edge; any number may run at once."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run until `stop`."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; a round that is under way is rolled back."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def round(self, now: datetime) -> None:
        """Forget once, up to HOUSEKEEPING_ROWS of each kind."""
        ages_s = (
            (_UNSEAL, limits.REFRESH_GRACE_S),
            (_SESSIONS, limits.SESSION_KEPT_S),
            (_METERS, limits.FAILURES_FORGOTTEN_S),
        )
        async with self._database.connection() as connection:
            for statement, age_s in ages_s:
                before = now - timedelta(seconds=age_s)
                await connection.execute(statement, before, limits.HOUSEKEEPING_ROWS)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._clock.jitter(limits.HOUSEKEEPING_S))
            try:
                await self.round(self._clock.now())
            except TitanError as error:
                log.warning("auth_housekeeping_failed", error=str(error))
