"""Add to an archive what the log has and it has not."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from domain.errors import Invalid, Unavailable
from replay.log import KafkaLog, to_ms
from replay.manifest import FILE, Manifest, Segment, load_manifest, save_manifest, write_whole
from replay.segment import COMPRESSION, compress, digest_of, pack
from replay.splice import demand_same_log
from replay.vector import Place, record_count
from runtime import limits
from runtime.clock import Clock
from runtime.dead_letter import Record
from runtime.topics import topic_map

_LOCK_FILE: Final = "lock"


@dataclass(slots=True)
class Added:
    """What a run came to."""

    records: int = 0
    segments: int = 0
    stored_bytes: int = 0
    gone: list[str] = field(default_factory=list)
    """Partitions of which records were removed by the broker before they were archived."""


class Archiver:
    """One run over one directory, which nobody else may be archiving to."""

    def __init__(self, directory: Path, log: KafkaLog, *, clock: Clock) -> None:
        self._directory = directory
        self._log = log
        self._clock = clock
        self.added = Added()

    async def run(
        self,
        places: Sequence[Place],
        *,
        on_total: Callable[[int], None],
        on_progress: Callable[[int], None],
    ) -> Added:
        """Archive these places up to where they end now."""
        with _locked(self._directory):
            if not (self._directory / FILE).exists():
                save_manifest(self._directory, Manifest())
            manifest = load_manifest(self._directory)
            self._sweep(manifest)
            began = self._clock.now()
            begin, end = await self._log.begin(places), await self._log.end(places)
            start = {place: _next(manifest, place) for place in places}
            await demand_same_log(self._log, manifest, begin, end)
            on_total(record_count({p: max(start[p], begin[p]) for p in places}, end))
            for place in places:
                await self._extend(manifest, place, begin[place], end[place], on_progress)
            manifest.complete_until_ms = max(manifest.complete_until_ms, to_ms(began))
            save_manifest(self._directory, manifest)
        return self.added

    async def _extend(
        self,
        manifest: Manifest,
        place: Place,
        begin: int,
        end: int,
        on_progress: Callable[[int], None],
    ) -> None:
        start = _next(manifest, place)
        if begin > start:
            self.added.gone.append(f"{place} lacks the records from {start} to {begin - 1}")
            start = begin
        buffer: list[Record] = []
        size_bytes = 0
        async for _, records in self._log.read({place: start}, {place: end}):
            buffer += records
            size_bytes += sum(len(record.value or b"") for record in records)
            on_progress(len(records))
            if size_bytes > limits.ARCHIVE_SEGMENT_BYTES:
                start = self._write(manifest, place, start, buffer[-1].offset + 1, buffer)
                buffer, size_bytes = [], 0
        if buffer:
            self._write(manifest, place, start, end, buffer)
        if start < end:
            save_manifest(self._directory, manifest)

    def _write(
        self, manifest: Manifest, place: Place, start: int, end: int, records: Sequence[Record]
    ) -> int:
        stored = compress(pack(records), COMPRESSION)
        first, last = records[0], records[-1]
        segment = Segment(
            start=start,
            next=end,
            count=len(records),
            first=first.offset,
            last=last.offset,
            first_appended_ms=first.timestamp,
            last_appended_ms=max(record.timestamp for record in records),
            last_record_sha256=digest_of(last),
            compression=COMPRESSION,
            bytes=len(stored),
            sha256=sha256(stored).hexdigest(),
        )
        path = self._directory / segment.path(place)
        path.parent.mkdir(exist_ok=True)
        write_whole(path, stored)
        manifest.add(place, segment)
        self.added.records += len(records)
        self.added.segments += 1
        self.added.stored_bytes += len(stored)
        return end

    def _sweep(self, manifest: Manifest) -> None:
        """Remove what a run that was killed had not entered in the manifest."""
        named = {segment.path(place) for place in manifest.places for segment in manifest.of(place)}
        for topic in topic_map().topics:
            for path in (self._directory / topic.name).glob("*.seg.*"):
                if path.relative_to(self._directory) not in named:
                    path.unlink()


def _next(manifest: Manifest, place: Place) -> int:
    segments = manifest.of(place)
    return segments[-1].next if segments else 0


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / _LOCK_FILE).open("w")
    except OSError as error:
        raise Invalid("no_archive", f"{error.filename}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"another run archives to {directory}: let it end first") from error
        yield
