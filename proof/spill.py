"""Rows in a file without a name, parted by their key, so that memory stays flat.

A relation holds rows of one width. Each row lies in the part that the last byte of its first field
(an id of 16 bytes) names, so rows that are to be compared lie in parts of one number, and a join
holds one part of each relation at a time. The file is gone with the process, however it ends.
"""

import os
import tempfile
from array import array
from typing import IO, Final

from domain.errors import Unavailable
from proof.limits import CHUNK_BYTES

PARTS: Final = 256
_KEY_BYTE: Final = 15


class Spill:
    """The file that all relations of a proof share."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0, prefix="titan-prove-")  # noqa: SIM115 - closed by `close`
        self._end = 0

    @property
    def bytes_written(self) -> int:
        """How much lies in the file."""
        return self._end

    def close(self) -> None:
        """Give the room on the disk back. May be repeated."""
        self._file.close()

    def write(self, chunk: bytearray) -> int:
        """Put a chunk away; its place. Unavailable if the disk is full."""
        place = self._end
        view = memoryview(chunk)
        try:
            while view:
                written = os.pwrite(self._file.fileno(), view, self._end)
                self._end += written
                view = view[written:]
        except OSError as error:
            raise Unavailable(
                f"no room for the proof's temporary rows in {tempfile.gettempdir()} "
                f"({error.strerror}): free some, or set TMPDIR"
            ) from error
        return place

    def read(self, place: int, size: int) -> bytes:
        """A chunk that was put away."""
        return os.pread(self._file.fileno(), size, place)


class Relation:
    """Rows of one width, each in a part."""

    def __init__(self, spill: Spill, width: int) -> None:
        self.width = width
        self._spill = spill
        self._buffers = [bytearray() for _ in range(PARTS)]
        self._places: list[array[int]] = [array("Q") for _ in range(PARTS)]

    def add(self, row: bytes) -> None:
        """Add a row to the part that its key names."""
        buffer = self._buffers[row[_KEY_BYTE]]
        buffer += row
        if len(buffer) >= CHUNK_BYTES:
            self._put_away(row[_KEY_BYTE])

    def add_to(self, part: int, row: bytes) -> None:
        """Add a row to a part of the caller's choice."""
        buffer = self._buffers[part]
        buffer += row
        if len(buffer) >= CHUNK_BYTES:
            self._put_away(part)

    def _put_away(self, part: int) -> None:
        buffer = self._buffers[part]
        self._places[part].append(self._spill.write(buffer[:CHUNK_BYTES]))
        del buffer[:CHUNK_BYTES]

    def part(self, number: int) -> bytes:
        """All rows of a part, one after the other."""
        chunks = [self._spill.read(place, CHUNK_BYTES) for place in self._places[number]]
        return b"".join([*chunks, bytes(self._buffers[number])])

    def rows(self, number: int) -> list[bytes]:
        """All rows of a part."""
        data, width = self.part(number), self.width
        return [data[start : start + width] for start in range(0, len(data), width)]

    def part_of(self, key: bytes) -> list[bytes]:
        """All rows of the part in which rows with this id lie."""
        return self.rows(key[_KEY_BYTE])

    def __len__(self) -> int:
        chunks = sum(len(places) for places in self._places)
        size = chunks * CHUNK_BYTES + sum(len(buffer) for buffer in self._buffers)
        return size // self.width
