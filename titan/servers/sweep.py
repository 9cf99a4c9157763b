"""End whatever serves a data directory, before it is removed: `python -m titan.servers.sweep DIR`.

A Titan that still uses the directory is asked to stop first; then what a killed one left is
ended. Does not remove anything.
"""

import asyncio
import fcntl
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from titan.servers.embedded import EmbeddedServer
from titan.servers.fleet import FOLDERS
from titan.servers.process import until

OWNER_STOP_TIMEOUT_S = 40.0


async def sweep(directory: Path, *, progress: Callable[[str], None]) -> None:
    """End the Titan and the servers of this directory. TimeoutError if that Titan does not stop."""
    servers = [kind(directory / name) for name, kind in FOLDERS.items()]
    owners = _owners_of(servers)
    for owner in owners:
        progress(f"Titan (pid {owner.pid}) is using {directory}: stopping it")
        owner.send_signal(signal.SIGTERM)
    async with asyncio.timeout(OWNER_STOP_TIMEOUT_S):
        await until(lambda: not _owners_of(servers))
    for server in servers:
        if await server.end_leftover():
            progress(f"{server.name}, left by an earlier run, was ended")


def _owners_of(servers: list[EmbeddedServer]) -> set[psutil.Process]:
    owners = {_owner_of(server.directory / "lock") for server in servers}
    return {owner for owner in owners if owner is not None}


def _owner_of(lock_path: Path) -> psutil.Process | None:
    """The living process that holds the lock, or None."""
    if not lock_path.exists():
        return None
    with lock_path.open("r", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                owner = psutil.Process(int(lock.read()))
                # Only whoever has the file open may be its owner: pids are used again.
                if any(opened.path == str(lock_path) for opened in owner.open_files()):
                    return owner
            except (ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
                return None
    return None


def main() -> None:
    """Sweep the directory of the command line; one line for each thing ended."""
    directory = Path(sys.argv[1]).resolve()
    try:
        asyncio.run(sweep(directory, progress=lambda line: print(line, flush=True)))  # noqa: T201 - a command's own output
    except TimeoutError:
        sys.exit(
            f"The Titan that uses {directory} did not stop within {OWNER_STOP_TIMEOUT_S:.0f} s: "
            "end it by hand, then run `make clean` again."
        )


if __name__ == "__main__":
    main()
