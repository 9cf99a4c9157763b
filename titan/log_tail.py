"""What a child process says went wrong, read from the end of its log file."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

LOG_BYTES_MAX: Final = 64 * 1024 * 1024
"""A log that has grown past this is kept as `.log.1` and begun anew."""

ERRORS_SHOWN_MAX: Final = 3
"""Errors of one look that are shown; a storm of them would hide everything else."""

_TAIL_BYTES: Final = 4_096
_READ_BYTES_MAX: Final = 1024 * 1024
_GRAVE: Final = ("error", "critical")
_NOT_SHOWN: Final = frozenset({"event", "level", "timestamp", "exception", "logger"})
_CHATTER: Final = ("aiokafka",)
"""Loggers that err about each attempt at a server that is away: ours say it once."""


class LogTail:
    """Follows one log file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def errors(self) -> list[str]:
        """One short line for each error logged since the last call."""
        lines = [said for line in self._fresh_lines() if (said := said_of(line)) is not None]
        self._bound_size()
        more = len(lines) - ERRORS_SHOWN_MAX
        if more > 0:
            return [*lines[:ERRORS_SHOWN_MAX], f"and {more} more errors (see {self._path})"]
        return lines

    def last_words(self) -> str:
        """The last line of the file, as a short line."""
        try:
            with self._path.open("rb") as log:
                log.seek(max(0, self._path.stat().st_size - _TAIL_BYTES))
                lines = log.read().decode("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        spoken = [line.strip() for line in lines if line.strip()]
        if not spoken:
            return "it said nothing"
        return said_of(spoken[-1]) or spoken[-1]

    def _fresh_lines(self) -> list[str]:
        try:
            with self._path.open("rb") as log:
                log.seek(self._offset)
                fresh = log.read(_READ_BYTES_MAX)
        except FileNotFoundError:
            return []
        whole = fresh.rfind(b"\n") + 1
        if len(fresh) == _READ_BYTES_MAX and whole == 0:
            whole = len(fresh)  # A line that long is not one of ours: passed over.
        self._offset += whole
        return fresh[:whole].decode("utf-8", errors="replace").splitlines()

    def _bound_size(self) -> None:
        if self._offset > LOG_BYTES_MAX:
            # Copied, because the process keeps writing to the file that it has open.
            shutil.copyfile(self._path, self._path.with_suffix(".log.1"))
            with self._path.open("r+b") as log:
                log.truncate(0)
            self._offset = 0


def said_of(line: str) -> str | None:
    """A JSON log line of an error in few words; None for anything else."""
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("level") not in _GRAVE:
        return None
    if str(entry.get("logger", "")).startswith(_CHATTER):
        return None
    details = [f"{name}={value}" for name, value in entry.items() if name not in _NOT_SHOWN]
    reason = str(entry.get("exception", "")).strip().splitlines()
    return " ".join([str(entry.get("event")), *details, *reason[-1:]])
