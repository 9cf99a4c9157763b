"""One operating-system process of an embedded server: started, recognised later, ended.

The process dies with its parent (see launcher.py). Where even that failed, for instance on a
platform without it, the pid file lets the next start recognise the leftover and end it first.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_INTERVAL_S = 0.02
KILL_WAIT_S = 5.0
# A process's start time is read from the kernel with this grain.
_CREATED_TOLERANCE_S = 1.0

_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run, and how it ends.

    `death_signal` comes when the parent dies. `user` is the (user id, group id) to change to,
    or None to stay who we are.
    """

    arguments: list[str]
    directory: Path
    log_path: Path
    death_signal: signal.Signals = signal.SIGTERM
    user: tuple[int, int] | None = None


def spawn(command: Command) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own, its output appended to its log file.

    The calling thread must live as long as the server: the kernel sends the death signal when
    that thread ends. In asyncio code, call it in the loop's own thread.
    """
    user_id, group_id = command.user or (-1, -1)
    launcher_arguments = [
        *(sys.executable, "-I", "-S", str(_LAUNCHER)),
        *(str(os.getpid()), str(int(command.death_signal)), str(user_id), str(group_id)),
    ]
    with command.log_path.open("ab") as log:
        return subprocess.Popen(  # noqa: S603  the command is our own, no shell
            [*launcher_arguments, *command.arguments],
            cwd=command.directory,
            # The person's own PG*, KAFKA_* and JAVA_* variables must not steer these servers.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


async def run_to_end(command: Command, *, timeout_s: float) -> int:
    """Run a short command and return its exit status; TimeoutError ends it first."""
    process = spawn(command)
    try:
        async with asyncio.timeout(timeout_s):
            await until(lambda: process.poll() is not None)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(KILL_WAIT_S)
    return process.returncode


def write_pid_file(path: Path, pid: int) -> None:
    """Note which process serves this directory, with its start time: pids are used again."""
    created_s = psutil.Process(pid).create_time()
    path.write_text(json.dumps({"pid": pid, "created_s": created_s}), encoding="utf-8")


def find_leftover(path: Path, marker: str) -> psutil.Process | None:
    """The process of the pid file if it still runs and has the marker in its command line."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        process = psutil.Process(noted["pid"])
        same = abs(process.create_time() - noted["created_s"]) < _CREATED_TOLERANCE_S
        if same and any(marker in argument for argument in process.cmdline()):
            return process
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return None


async def end_gracefully(
    process: psutil.Process, sent: signal.Signals, *, timeout_s: float
) -> bool:
    """Ask the process to end, wait, then kill it and its children; whether it ended when asked."""
    family = family_of(process)
    process.send_signal(sent)
    try:
        async with asyncio.timeout(timeout_s):
            await until(lambda: not is_alive(process))
    except TimeoutError:
        kill_all(family)
        return False
    # A graceful end takes its children along; one that is left must not hold the data.
    kill_all(family)
    return True


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the kernel tells only when asked. Has no bound of its own."""
    while not condition():  # noqa: ASYNC110 - no event tells of the end of a foreign process
        await asyncio.sleep(POLL_INTERVAL_S)


def is_alive(process: psutil.Process) -> bool:
    """Whether the process runs; one that ended but was not yet waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family_of(process: psutil.Process) -> list[psutil.Process]:
    """The process and all its descendants, itself first."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def kill_all(family: list[psutil.Process]) -> None:
    """SIGKILL to each that still runs, and wait until they are gone, KILL_WAIT_S at most.

    Dead but not yet waited for counts as gone: an orphan is for the system's first process to
    reap, which may take its time and holds nothing meanwhile.
    """
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for _ in range(int(KILL_WAIT_S / POLL_INTERVAL_S)):
        if not any(is_alive(process) for process in family):
            return
        time.sleep(POLL_INTERVAL_S)
