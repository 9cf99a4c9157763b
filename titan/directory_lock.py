"""One Titan on one data directory: a lock that the kernel frees when its holder ends."""

import fcntl
import os
from pathlib import Path
from typing import TextIO

from titan.servers.errors import ServerStartError


class DirectoryLock:
    """Held from `take` to `release`, or to the end of the process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: TextIO | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds it."""
        return self._file is not None

    def take(self) -> None:
        """Make the directory and lock it.

        ServerStartError if another has it, OSError if it may not be written.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        file = (self._directory / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise ServerStartError(
                f"another Titan (pid {owner}) runs on {self._directory}. Use that one, or stop it "
                "with Ctrl-C in its window, or set TITAN_DATA_DIRECTORY."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let another Titan have the directory."""
        if self._file is not None:
            self._file.close()
            self._file = None
