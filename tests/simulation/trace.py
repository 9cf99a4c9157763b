"""What happened, line by line; its hash says whether two lives were the same life."""

from collections import Counter
from collections.abc import Callable
from hashlib import sha256

from tests.simulation.loop import running


class Trace:
    """The story of one life, and which rare things were met in it."""

    def __init__(self, time_s: Callable[[], float]) -> None:
        self.lines: list[str] = []
        self.met: Counter[str] = Counter()
        self._time_s = time_s

    def note(self, what: str) -> None:
        """Something happened in the process whose step this is."""
        self.lines.append(f"{self._time_s():.6f} {running().name}: {what}")

    def sometimes(self, what: str) -> None:
        """Something happened that a campaign must have met, or it has shown nothing."""
        self.met[what] += 1
        self.note(f"* {what}")

    def hash(self) -> str:
        """SHA-256 over all lines."""
        return sha256("\n".join(self.lines).encode()).hexdigest()
