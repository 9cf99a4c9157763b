"""Named places at which a process may be told to die, once for each order: only ever in a test.

Every unit of work may die between any two lines, and that is shown, not hoped: the crash matrix
(titan/chaos/) orders each room to die at each point. Without TITAN_CRASH_DIRECTORY, which the
settings refuse outside the test profile, a point costs one look at a variable.

An order is a file `ROOM@POINT` in the directory `ordered`, which holds how to die. Whoever reaches
the point first moves it to `reached`, and so proves that it was there; then it dies. So one order
is one death, whichever of several processes it meets, and a process that came back goes on.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

from runtime.settings import Settings

ORDERED: Final = "ordered"
REACHED: Final = "reached"


class Point(StrEnum):
    """Where a room may be told to die."""

    FETCH_BEFORE = "fetch.before"
    FETCH_AFTER = "fetch.after"
    DECODE_BEFORE = "decode.before"
    DECODE_AFTER = "decode.after"
    LETTERS_BEFORE = "letters.before"
    """With records in hand that nobody can understand."""
    LETTERS_ACKED = "letters.acked"
    INBOX_BEFORE = "inbox.before"
    INBOX_AFTER = "inbox.after"
    EFFECT_BEFORE = "effect.before"
    EFFECT_AFTER = "effect.after"
    COMMIT_BEFORE = "commit.before"
    COMMIT_SENT = "commit.sent"
    """COMMIT has left, and no answer has come."""
    COMMIT_ACKED = "commit.acked"
    PUBLISH_BEFORE = "publish.before"
    PUBLISH_SENT = "publish.sent"
    """Handed to the producer, and no answer has come."""
    PUBLISH_ACKED = "publish.acked"
    REMEMBER_BEFORE = "remember.before"
    """An edge is about to note a quick answer."""
    REMEMBER_AFTER = "remember.after"
    OFFSETS_BEFORE = "offsets.before"
    OFFSETS_SENT = "offsets.sent"
    OFFSETS_ACKED = "offsets.acked"
    REVOKE_BEFORE = "revoke.before"
    REVOKE_AFTER = "revoke.after"
    ASSIGN_BEFORE = "assign.before"
    ASSIGN_AFTER = "assign.after"


class Death(StrEnum):
    """What happens at a point."""

    KILL = "kill"
    """SIGKILL."""
    EXCEPTION = "exception"
    """An error that nobody foresaw."""
    CANCEL = "cancel"
    """The task is cancelled."""
    STOP = "stop"
    """SIGSTOP: whoever ordered it lets the process go on, as a zombie perhaps."""


class OrderedError(Exception):
    """The error that an order raises: nothing in the house expects it."""


_reach: Callable[[str, Point], None] | None = None


def arm(settings: Settings) -> None:
    """Heed orders from now on, if the settings name the place where they are given."""
    global _reach  # noqa: PLW0603 - one process is one room for orders, and a look must be cheap
    directory = settings.crash_directory
    if directory is not None:
        _reach = _Orders(directory).reach


def crash_point(room: str, point: Point) -> None:
    """Die here if that was ordered."""
    if _reach is not None:
        _reach(room, point)


def crash_point_in_flight(room: str, point: Point) -> None:
    """Die here, if that was ordered, once what comes next has left and waits for its answer."""
    if _reach is None:
        return
    loop, task, reach = asyncio.get_running_loop(), asyncio.current_task(), _reach

    def reached() -> None:
        try:
            reach(room, point)
        except (OrderedError, asyncio.CancelledError):
            # There is no line of ours to raise it in: the task meets it where it waits.
            if task is not None:
                task.cancel()

    # Two turns of the loop: in the first, the transport sends what was written in this one.
    loop.call_soon(loop.call_soon, reached)


class _Orders:
    """The files in which orders are given."""

    def __init__(self, directory: Path) -> None:
        self._ordered = directory / ORDERED
        self._reached = directory / REACHED

    def reach(self, room: str, point: Point) -> None:
        order = self._ordered / f"{room}@{point}"
        mark = self._reached / order.name
        try:
            order.rename(mark)
        except FileNotFoundError:
            return
        death = Death(mark.read_text(encoding="utf-8"))
        with mark.open("a", encoding="utf-8") as file:
            file.write(f" {os.getpid()}")
        match death:
            case Death.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Death.STOP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Death.CANCEL:
                task = asyncio.current_task()
                if task is None:
                    raise asyncio.CancelledError
                task.cancel()
            case Death.EXCEPTION:
                raise OrderedError(f"{room} was ordered to fail at {point}")
