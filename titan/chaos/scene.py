"""What a campaign has to do with: the target, its links, its client and its small disk."""

import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.clock import SystemClock
from runtime.crash_points import ORDERED, REACHED, Death, Point
from titan.chaos.payer import DONE, JOURNAL, READY, WORDS
from titan.chaos.receiver import ENDPOINTS, FLAPS, HEARD
from titan.chaos.schedule import Fault
from titan.chaos.small_disk import SmallDisk
from titan.chaos.switchboard import Switchboard
from titan.chaos.target import Target
from titan.chaos.waiting import StuckError, until
from titan.chaos.watcher import Watcher
from titan.chaos.words import Words
from titan.edge import EDGE_PROCESSES
from titan.supervisor import Child, Program, Say

STRIKE_S_MAX: Final = 30.0
"""A fault that has not come about by then has missed."""

_PAYER: Final = "titan.chaos.payer"
_RECEIVER: Final = "titan.chaos.receiver"
_FAILED: Final = re.compile(rb'"status":(?:0|500)\b')


def _process_of(name: str, module: str, directory: Path, say: Say) -> Child:
    """A process of the client's: `python -m MODULE DIRECTORY`."""
    program = Program(
        name=name,
        arguments=[sys.executable, "-m", module, str(directory)],
        environment=os.environ,
        mark=module,
        stop_s_max=5.0,
    )
    return Child(program, directory=directory, clock=SystemClock(), say=say)


class Payer:
    """The client's process: killed and started anew like everything else."""

    def __init__(self, directory: Path, *, say: Say) -> None:
        self.directory = directory
        self.child = _process_of("payer", _PAYER, directory, say)
        self._words = Words(directory / WORDS)

    @property
    def journal(self) -> Path:
        """Everything it wanted and was told."""
        return self.directory / JOURNAL

    @property
    def is_ready(self) -> bool:
        """Whether the people are in and payments begin."""
        return (self.directory / READY).exists()

    @property
    def is_done(self) -> bool:
        """Whether nothing is in doubt any more."""
        return (self.directory / DONE).exists()

    def say(self, words: str) -> None:
        """Tell it something."""
        self._words.say(words)

    def tend(self) -> None:
        """Start it again if it died without being done."""
        if not self.is_done:
            self.child.tend()


class Receiver:
    """The client's own server: it is told of what happens, and is never hit itself."""

    def __init__(self, directory: Path, *, say: Say) -> None:
        self.directory = directory
        self.child = _process_of("receiver", _RECEIVER, directory, say)
        self._flaps = Words(directory / FLAPS)

    @property
    def is_ready(self) -> bool:
        """Whether it has its endpoints."""
        return (self.directory / ENDPOINTS).exists()

    @property
    def heard_bytes(self) -> int:
        """How long its journal is."""
        return (self.directory / HEARD).stat().st_size

    def flap(self, seconds: float) -> None:
        """Let it answer badly for so long."""
        self._flaps.say(str(seconds))

    def failed_since(self, offset: int) -> bool:
        """Whether it has answered anything badly since its journal was so long."""
        with (self.directory / HEARD).open("rb") as file:
            file.seek(offset)
            return _FAILED.search(file.read()) is not None


@dataclass(kw_only=True)
class Scene:
    """Everything that a fault may touch."""

    target: Target
    board: Switchboard
    payer: Payer
    receiver: Receiver
    watcher: Watcher
    crashes: Path
    disk: SmallDisk | None

    @property
    def bootstrap(self) -> str:
        """Kafka's own door, which no fault of a link concerns."""
        return self.target.titan.addresses.kafka_bootstrap

    def child(self, target: str) -> Child:
        """The process of a stage, an edge or a pool."""
        if target in EDGE_PROCESSES:
            [found] = [each for each in self.target.edges if each.program.name == target]
            return found
        for child in self.target.pools:
            if child.program.name == target:
                return child
        return self.target.worker_of(target)

    def program(self, target: str) -> str:
        """The name of a target's process; `*` is everybody's."""
        return target if target == "*" else self.child(target).program.name

    async def order(self, room: str, point: Point, death: Death) -> int:
        """Order a room to die at a point, and wait until it has got there; the process id.

        StuckError, and the order is taken back, if it does not come there.
        """
        name = f"{room}@{point}"
        order, mark = self.crashes / ORDERED / name, self.crashes / REACHED / name
        mark.unlink(missing_ok=True)
        fresh = order.with_suffix(".new")
        fresh.write_text(death, encoding="utf-8")
        fresh.rename(order)
        try:
            await until(lambda: _pid_in(mark) is not None, STRIKE_S_MAX, name)
        except StuckError:
            order.unlink(missing_ok=True)
            raise
        pid = _pid_in(mark)
        assert pid is not None
        return pid


Strike = Callable[[Scene, Fault], Awaitable[None]]
"""Brings a fault about and returns when it is over; StuckError if it did not come about."""


def _pid_in(mark: Path) -> int | None:
    """The process that reached a point, once it has said so."""
    try:
        words = mark.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    return int(words[1]) if len(words) > 1 else None
