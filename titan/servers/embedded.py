"""What every embedded server has in common: its directory, its life, and how it fails.

A server owns one directory, which keeps its data between runs:

    lock         held while a Titan uses the directory; the kernel frees it when that Titan ends
    server.pid   the process, so that a leftover of a killed run is recognised and ended
    server.log   what the server printed since its last start (server.log.1: the start before)
    data/        the server's own files
"""

import asyncio
import errno
import fcntl
import os
import platform
import re
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, TextIO

import psutil

from titan.servers.errors import ServerStartError
from titan.servers.ports import LOOPBACK, free_port, holder_of, is_port_free
from titan.servers.process import (
    KILL_WAIT_S,
    POLL_INTERVAL_S,
    Command,
    end_gracefully,
    family_of,
    find_leftover,
    kill_all,
    run_to_end,
    spawn,
    write_pid_file,
)

START_TIMEOUT_S = 60.0
INITIALISE_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
FREE_SPACE_BYTES_MIN = 500_000_000
_LOG_TAIL_BYTES = 4_096

# How the three servers mark the line that tells why they end.
_CAUSE = re.compile(r"FATAL|PANIC|ERROR|Exception|rror:")


class EmbeddedServer(ABC):
    """A real server in a directory of its own, on a port of loopback.

    Port 0 means any free one; it is chosen once, so that a restart keeps its address. Start it
    from a thread that lives as long as the server: it dies with that thread. Not safe for use
    from several threads.
    """

    name: ClassVar[str]
    port_setting: ClassVar[str]
    url_setting: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        # Absolute, because it is also the mark by which a leftover's command line is known.
        self.directory = directory.resolve()
        self.port = port or free_port()
        self.version = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: TextIO | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address as clients take it."""

    @abstractmethod
    async def _initialise(self) -> None:
        """Make what the server needs on its first start; do nothing on later ones."""

    @abstractmethod
    def _command(self) -> Command:
        """What to run."""

    @abstractmethod
    async def _answered_version(self) -> str | None:
        """The version that the running server answers, or None while it is not ready."""

    @property
    def pid(self) -> int:
        """The process id; an error unless it was started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process runs; false after it was stopped or died by itself."""
        return self._process is not None and self._process.poll() is None

    @property
    def data_path(self) -> Path:
        """Where the server keeps its own files."""
        return self.directory / "data"

    @property
    def log_path(self) -> Path:
        """What the server printed since its last start."""
        return self.directory / "server.log"

    async def start(self) -> None:
        """Start and wait until the server answers. Raises ServerStartError, with the remedy."""
        try:
            self._prepare_directory()
            await self._end_leftover()
            self._demand_free_port()
            await self._initialise()
            self._process = spawn(self._command())
            write_pid_file(self._pid_path, self._process.pid)
            await self._until_ready(self._process)
        except ServerStartError:
            self.kill()
            raise
        except OSError as error:
            self.kill()
            raise self._start_error(self._remedy_of(error)) from error
        except BaseException:
            self.kill()
            raise

    async def stop(self) -> None:
        """Stop gracefully, by force after STOP_TIMEOUT_S; leaves no process. May be repeated."""
        if self._process is not None and self._process.poll() is None:
            process = psutil.Process(self._process.pid)
            await end_gracefully(process, self.stop_signal, timeout_s=STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the server and all its processes, as a crash would; they are gone on return."""
        if self._process is not None:
            if self._process.poll() is None:
                family = family_of(psutil.Process(self._process.pid))
                self._process.kill()
                kill_all(family[1:])
            self._process.wait(KILL_WAIT_S)
            self._process = None
            self._pid_path.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def end_leftover(self) -> bool:
        """End the process that an earlier run left in this directory; whether there was one."""
        return await self._end_leftover()

    @property
    def _pid_path(self) -> Path:
        return self.directory / "server.pid"

    def _prepare_directory(self) -> None:
        if platform.system() not in {"Linux", "Darwin"}:
            raise self._start_error(
                f"there is no build of it for {platform.system()}. Use Linux or macOS (on Windows, "
                f"WSL 2), or name a server of your own with {self.url_setting}."
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        free_bytes = shutil.disk_usage(self.directory).free
        if free_bytes < FREE_SPACE_BYTES_MIN:
            raise self._start_error(
                f"only {free_bytes // 1_000_000} MB are free on the disk of {self.directory}. "
                f"Free at least {FREE_SPACE_BYTES_MIN // 1_000_000} MB and start again."
            )
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = (self.directory / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise self._start_error(
                f"another Titan (pid {owner}) is using {self.directory}. Stop that one, with "
                "Ctrl-C in its window, and start again."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    async def _end_leftover(self) -> bool:
        leftover = find_leftover(self._pid_path, str(self.directory))
        if leftover is not None:
            await end_gracefully(leftover, self.stop_signal, timeout_s=STOP_TIMEOUT_S)
        self._pid_path.unlink(missing_ok=True)
        return leftover is not None

    def _demand_free_port(self) -> None:
        if not is_port_free(self.port):
            raise self._start_error(
                f"port {self.port} on {LOOPBACK} is in use by {holder_of(self.port)}. Stop that "
                f"program, or choose another port with {self.port_setting}, or name a server of "
                f"your own with {self.url_setting}."
            )

    async def _until_ready(self, process: subprocess.Popen[bytes]) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while True:
                    if process.poll() is not None:
                        raise self._start_error(
                            f"it ended at once with status {process.returncode}: "
                            f"{self._last_words()} More in {self.log_path}."
                        )
                    version = await self._answered_version()
                    if version is not None:
                        self.version = version
                        return
                    await asyncio.sleep(POLL_INTERVAL_S)
        except TimeoutError:
            raise self._start_error(
                f"it did not answer within {START_TIMEOUT_S:.0f} s. See {self.log_path}; on a busy "
                "machine start again."
            ) from None

    def _packaged(self, package: str, path: str) -> Path:
        """A program that an installed package carries.

        Found without importing the package: some make folders or users when imported.
        """
        found = find_spec(package)
        if found is not None and found.origin is not None:
            program = Path(found.origin).parent / path
            if program.exists():
                return program
        raise self._start_error(
            f"there is no {Path(path).name} for {platform.system()} on {platform.machine()} in the "
            f"package {package}. Run `make setup`, or name a server of your own with "
            f"{self.url_setting}."
        )

    async def _run(self, command: Command, purpose: str) -> None:
        """Run a one-off command of the first start, which must succeed."""
        try:
            status = await run_to_end(command, timeout_s=INITIALISE_TIMEOUT_S)
        except TimeoutError:
            raise self._start_error(
                f"{purpose} took over {INITIALISE_TIMEOUT_S:.0f} s. See {self.log_path}; on a busy "
                "machine start again."
            ) from None
        if status != 0:
            raise self._start_error(
                f"{purpose} failed with status {status}: {self._last_words()} "
                f"More in {self.log_path}."
            )

    def _last_words(self) -> str:
        """The line in which the server said why it ended, or what its silence means."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - _LOG_TAIL_BYTES))
                lines = log.read().decode("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        for line in lines:
            if "No space left on device" in line:
                return "the disk is full. Free some space and start again."
        spoken = [line.strip().rstrip(".") for line in lines if line.strip()]
        causes = [line for line in spoken if _CAUSE.search(line)] or spoken
        return f"{causes[-1]}." if causes else "it printed nothing; it may not run on this system."

    def _remedy_of(self, error: OSError) -> str:
        match error.errno:
            case errno.ENOSPC:
                return f"the disk of {self.directory} is full. Free some space and start again."
            case errno.EACCES | errno.EPERM | errno.EROFS:
                return (
                    f"{error.filename or self.directory} may not be written by you. Give yourself "
                    "the right to, or remove what an earlier run as root left there."
                )
            case _:
                return f"{error}. See {self.log_path}."

    def _start_error(self, reason: str) -> ServerStartError:
        return ServerStartError(f"{self.name} cannot start: {reason}")
