"""Build a read model again: from the log's beginning to an offsets vector, and on from there."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import Defect, Invalid, Unavailable
from replay.projection import Projection
from replay.reader import Job, Report, Span, read_into_staging
from replay.source import Source
from replay.staging import make_tables, merge_staged
from replay.together import all_of
from replay.vector import Vector, record_count
from runtime import limits
from runtime.database import Connection

OnProgress = Callable[[int], None]
"""Told how many more records were read."""

_ROOT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the log and the database are; `archive` comes before the broker's own records."""

    bootstrap: str | None
    prefix: str
    dsn: str
    archive: Path | None = None


class Rebuild:
    """A read model under construction in the schema titan_replay.

    `vector` says how far it has come; `connection` is the one that keeps other replays out.
    """

    def __init__(
        self,
        projection: Projection,
        *,
        location: Location,
        source: Source,
        connection: Connection,
        on_progress: OnProgress,
    ) -> None:
        self.projection = projection
        self.location = location
        self.source = source
        self.connection = connection
        self.vector: Vector = {}
        self.records = 0
        self.passed_over = 0
        self._on_progress = on_progress

    async def begin(self, *, is_kept: bool) -> None:
        """Make the tables; `is_kept` makes them fit to take the place of the living ones."""
        await make_tables(self.connection, self.projection.tables, is_kept=is_kept)

    async def go_on(self, end: Vector) -> None:
        """Read on until before `end`, and fold what was read into the tables."""
        spans = [
            Span(topic=place.topic, partition=place.partition, start=start, end=end[place])
            for place in end
            if (start := self.vector.get(place, 0)) < end[place]
        ]
        count = record_count(self.vector, end)
        if count < limits.REPLAY_PARALLEL_RECORDS_MIN:
            await read_into_staging(self._job(spans), self.source, tell=self._hear)
        else:
            await self._read_together(spans)
        await merge_staged(self.connection, self.projection.tables, dsn=self.location.dsn)
        self.vector = {**self.vector, **end}

    async def _read_together(self, spans: list[Span]) -> None:
        """Share the partitions among processes: one number of a topic goes with that of the others.

        So the events of one payment mostly meet in one reader, which folds them into one row.
        """
        count = max(1, min(len(os.sched_getaffinity(0)), limits.REPLAY_READERS_MAX))
        jobs = [
            self._job([span for span in spans if span.partition % count == number])
            for number in range(count)
        ]
        await all_of(self._run(job) for job in jobs)

    async def _run(self, job: Job) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "replay.reader"), stdin=PIPE, stdout=PIPE, cwd=_ROOT
        )
        try:
            await self._listen(process, job)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _listen(self, process: Process, job: Job) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{job.model_dump_json()}\n".encode())
        with suppress(ConnectionError):
            await process.stdin.drain()
        async for line in process.stdout:
            report = Report.model_validate_json(line)
            if report.error is not None:
                raise (
                    Invalid("unreadable", report.error)
                    if report.is_invalid
                    else Unavailable(report.error)
                )
            self._hear(report)
        if await process.wait() != 0:
            raise Defect("a reader of the log ended before its work was done")

    def _job(self, spans: list[Span]) -> Job:
        location = self.location
        return Job(
            projection=self.projection.name,
            spans=spans,
            bootstrap=location.bootstrap,
            prefix=location.prefix,
            archive=location.archive,
            dsn=location.dsn,
        )

    def _hear(self, report: Report) -> None:
        self.records += report.records
        self.passed_over += report.passed_over
        self._on_progress(report.records)
