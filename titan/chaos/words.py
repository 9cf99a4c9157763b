"""Lines from a campaign to a process of its client: a file that one adds to and the other reads."""

from collections.abc import Iterator
from pathlib import Path


class Words:
    """The file, from either side."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heard = 0

    def say(self, line: str) -> None:
        """Add a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def fresh(self) -> Iterator[list[str]]:
        """The words of each line that was added since the last time."""
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        for line in lines[self._heard :]:
            yield line.split()
        self._heard = len(lines)
