"""Watches a campaign from outside: what clients were promised, and when it came true."""

import asyncio
import json
from collections import deque
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from aiokafka.errors import KafkaError

from domain.errors import Unavailable
from runtime.clock import SystemClock
from runtime.follow import Followed, Follower
from runtime.topics import topic_map
from schemas.event import PaymentEvent

_ENDS: Final = ("payment.posted.v1", "payment.refused.v1")
_POSTED: Final = _ENDS[0]
_PAUSE_S: Final = 0.05
_READ_BYTES_MAX: Final = 4 * 1024 * 1024
_RECENT_MAX: Final = 20_000
_OVERLAP: Final = timedelta(seconds=10)


class Watcher:
    """Follows the client's journal and the log's last topics, at doors of its own.

    Times are seconds since 1970 by the one clock of the machine.
    """

    def __init__(self, journal: Path, bootstrap: str) -> None:
        self._journal = journal
        self._bootstrap = bootstrap
        self._offset = 0
        self._waiting: dict[UUID, float] = {}
        self._ended: dict[UUID, float] = {}
        """Posted payments whose client was not told yet that they were accepted; 0: refused."""
        self._settled: set[UUID] = set()
        self._posted: deque[tuple[float, float]] = deque(maxlen=_RECENT_MAX)
        """When accepted, and when appended as posted."""
        self._clock = SystemClock()
        self._since = self._clock.now() - _OVERLAP

    @property
    def accepted(self) -> int:
        """Payments of which a client was told that they were accepted."""
        return len(self._waiting) + len(self._settled)

    def late(self) -> dict[UUID, float]:
        """Accepted payments that have not ended, and since when."""
        return dict(self._waiting)

    def oldest_s(self) -> float:
        """For how long the oldest of them has been waiting."""
        now_s = self._clock.now().timestamp()
        return max((now_s - at_s for at_s in self._waiting.values()), default=0.0)

    def first_flow_s(self, since_s: float) -> float | None:
        """When the first payment that was accepted since then was posted; None while none was."""
        found = [posted_s for accepted_s, posted_s in self._posted if accepted_s >= since_s]
        return min(found, default=None)

    async def run(self) -> None:
        """Watch until cancelled, whatever happens to the broker."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_journal())
            group.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            follower = Follower(
                [topic_map()[name] for name in _ENDS],
                bootstrap=self._bootstrap,
                since=self._since - _OVERLAP,
            )
            try:
                await follower.start()
                while True:
                    for followed in await follower.poll():
                        self._note_end(followed)
            except (Unavailable, KafkaError, OSError):
                await self._clock.sleep(_PAUSE_S)
            finally:
                await follower.stop()

    async def _read_journal(self) -> None:
        while True:
            for entry in self._fresh():
                if "ok" in entry:
                    self._note_accepted(UUID(entry["ok"]), entry["at"])
            await self._clock.sleep(_PAUSE_S)

    def _fresh(self) -> list[dict[str, Any]]:
        """Whole lines that were added since the last look."""
        try:
            with self._journal.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_READ_BYTES_MAX)
        except FileNotFoundError:
            return []
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        entries: list[dict[str, Any]] = []
        for line in data[:whole].splitlines():
            # A client that was killed leaves half a line.
            with suppress(ValueError):
                entries.append(json.loads(line))
        return entries

    def _note_accepted(self, payment_id: UUID, at_s: float) -> None:
        if payment_id in self._settled or payment_id in self._waiting:
            return
        posted_s = self._ended.pop(payment_id, None)
        if posted_s is None:
            self._waiting[payment_id] = at_s
        else:
            self._settle(payment_id, at_s, posted_s)

    def _note_end(self, followed: Followed) -> None:
        event = followed.delivered.event
        assert isinstance(event, PaymentEvent)
        payment_id = event.payment_id
        self._since = max(self._since, followed.appended_at)
        posted_s = followed.appended_at.timestamp() if event.TOPIC == _POSTED else 0.0
        accepted_s = self._waiting.pop(payment_id, None)
        if accepted_s is not None:
            self._settle(payment_id, accepted_s, posted_s)
        elif payment_id not in self._settled:
            self._ended[payment_id] = posted_s

    def _settle(self, payment_id: UUID, accepted_s: float, posted_s: float) -> None:
        self._settled.add(payment_id)
        if posted_s:
            self._posted.append((accepted_s, posted_s))
