"""An archive of topics as files, read back with every byte verified."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from domain.errors import Invalid
from replay.manifest import Manifest, Segment, load_manifest
from replay.segment import decompress, unpack
from replay.vector import Place
from runtime.dead_letter import Record


class Archive:
    """The segments of one directory. Invalid, with the file's name, for whatever is not whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.manifest: Manifest = load_manifest(directory)

    def begin(self, place: Place) -> int:
        """The first offset of the unbroken run of segments that leads to the newest."""
        begin = self.end(place)
        for segment in reversed(self.manifest.of(place)):
            if segment.next != begin:
                break
            begin = segment.start
        return begin

    def end(self, place: Place) -> int:
        """The offset after the newest record; 0 if there is none."""
        segments = self.manifest.of(place)
        return segments[-1].next if segments else 0

    def at(self, place: Place, time_ms: int) -> int:
        """The offset before which everything was appended by a time."""
        end = 0
        for segment in self.manifest.of(place):
            if segment.first_appended_ms > time_ms:
                break
            if segment.last_appended_ms > time_ms:
                records = self.records(place, segment)
                return next(record.offset for record in records if record.timestamp > time_ms)
            end = segment.next
        return end

    def read(self, place: Place, start: int, end: int) -> Iterator[Sequence[Record]]:
        """The records from `start` until before `end`, segment by segment."""
        for segment in self.manifest.of(place):
            if segment.next <= start or segment.start >= end:
                continue
            records = self.records(place, segment)
            if start <= segment.first and segment.last < end:
                yield records
            else:
                yield [record for record in records if start <= record.offset < end]

    def records(self, place: Place, segment: Segment) -> list[Record]:
        """The records of one segment, after it was found to be what the manifest says."""
        path = segment.path(place)
        try:
            stored = (self.directory / path).read_bytes()
        except OSError as error:
            raise Invalid("broken_archive", f"{path} cannot be read: {error.strerror}") from error
        if sha256(stored).hexdigest() != segment.sha256:
            raise Invalid("broken_archive", f"{path} was changed: its SHA-256 is another")
        records = unpack(
            decompress(stored, segment.compression), topic=place.topic, partition=place.partition
        )
        offsets = [record.offset for record in records]
        said = (segment.count, segment.first, segment.last)
        if not offsets or (len(offsets), offsets[0], offsets[-1]) != said:
            raise Invalid("broken_archive", f"{path} does not hold what the manifest says")
        return records

    def faults(self, places: Iterable[Place]) -> Iterator[tuple[Place, Segment, str | None]]:
        """Every segment, one by one, with what is wrong with it or with its place in the row."""
        for place in places:
            next_offset = 0
            for segment in self.manifest.of(place):
                fault = None
                if segment.start != next_offset:
                    fault = f"{place} lacks the records from {next_offset} to {segment.start - 1}"
                try:
                    self.records(place, segment)
                except Invalid as error:
                    fault = error.message
                next_offset = segment.next
                yield place, segment, fault
