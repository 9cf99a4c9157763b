"""One reader of the log: records in, staged rows out. Several share the work of a large replay.

`python -m replay.reader` reads a job from standard input and tells on standard output, one JSON
line at a time, how far it is. It ends when whoever started it is gone.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvloop
from pydantic import BaseModel, ConfigDict

from domain.errors import Invalid, TitanError
from replay.database import connected, told
from replay.projection import PROJECTIONS, Name, Understanding
from replay.source import Source, open_source
from replay.staging import Chunk
from replay.vector import Place, Vector
from runtime import limits
from runtime.collector import spare_collector

EXIT_FAILED: Final = 1


class Span(BaseModel):
    """A part of one partition: from `start` until before `end`."""

    model_config = ConfigDict(frozen=True)

    topic: str
    partition: int
    start: int
    end: int


class Job(BaseModel):
    """What one reader reads, and where to. It comes by standard input: a DSN may hold a secret."""

    model_config = ConfigDict(frozen=True)

    projection: Name
    spans: list[Span]
    bootstrap: str | None
    prefix: str
    archive: Path | None
    dsn: str

    @property
    def start(self) -> Vector:
        """Where each place begins."""
        return {Place(span.topic, span.partition): span.start for span in self.spans}

    @property
    def end(self) -> Vector:
        """Where each place ends."""
        return {Place(span.topic, span.partition): span.end for span in self.spans}


class Report(BaseModel):
    """A line of a reader: records read since the last one, or what went wrong."""

    records: int = 0
    passed_over: int = 0
    error: str | None = None
    is_invalid: bool = False
    """Whether what was read is at fault, not a server that is away."""


async def read_into_staging(job: Job, source: Source, *, tell: Callable[[Report], None]) -> None:
    """Copy what the job's records say to the staged tables; order within a partition is kept."""
    projection = PROJECTIONS[job.projection]
    understanding = Understanding()
    chunk = Chunk(projection.tables)
    passed_over = 0
    with told():
        async with connected(job.dsn) as connection:
            async for place, records in source.read(job.start, job.end):
                for record in records:
                    delivered = understanding(place.topic, record)
                    if delivered is not None:
                        for number, row in projection.rows(delivered):
                            chunk.add(number, row)
                if chunk.count >= limits.REPLAY_CHUNK_ROWS:
                    await chunk.copy_out(connection)
                fresh = understanding.passed_over - passed_over
                passed_over = understanding.passed_over
                tell(Report(records=len(records), passed_over=fresh))
            await chunk.copy_out(connection)


async def _main() -> int:
    job = Job.model_validate_json(sys.stdin.readline())
    try:
        async with open_source(
            [span.topic for span in job.spans],
            bootstrap=job.bootstrap,
            prefix=job.prefix,
            archive=job.archive,
        ) as source:
            await read_into_staging(job, source, tell=_say)
    except Invalid as error:
        _say(Report(error=error.message, is_invalid=True))
        return EXIT_FAILED
    except TitanError as error:
        _say(Report(error=str(error)))
        return EXIT_FAILED
    return 0


def _say(report: Report) -> None:
    try:
        sys.stdout.write(f"{report.model_dump_json()}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever started this is gone: what is staged ends with them, and nobody waits for more.
        os._exit(EXIT_FAILED)


if __name__ == "__main__":
    spare_collector()
    sys.exit(uvloop.run(_main()))
