"""A history's journal in a file: what was flushed outlives whoever wrote it."""

import asyncio
import json
import os
from pathlib import Path

from titan.chaos.history import Entry


class FileJournal:
    """Appends JSON lines; those who wait for a flush at the same moment share one fsync."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        # A predecessor that was killed may have left half a line.
        self._pending = [b"\n"] if self._file.tell() else []
        self._written = len(self._pending)
        self._safe = 0
        self._flushing: asyncio.Task[None] | None = None

    def write(self, entry: Entry) -> None:
        """Take one entry."""
        self._pending.append(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._written += 1

    async def flushed(self) -> None:
        """Return when everything written so far is on the disk."""
        wanted = self._written
        while self._safe < wanted:
            if self._flushing is None:
                self._flushing = asyncio.create_task(self._flush())
            await asyncio.shield(self._flushing)

    async def close(self) -> None:
        """Flush and let go."""
        await self.flushed()
        self._file.close()

    async def _flush(self) -> None:
        pending, self._pending = self._pending, []
        try:
            await asyncio.to_thread(self._store, b"".join(pending))
            self._safe += len(pending)
        finally:
            self._flushing = None

    def _store(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())
