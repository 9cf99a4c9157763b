"""The real stages over memory ports, worked by hand: batch by batch, each with its fate.

The stages are the real ones: handlers, decisions, inbox, unit of work and wire. Memory never
waits, so no event loop is needed: what is awaited is done at once.
"""

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID, uuid5

from consumers.handle_resolution.store import MemoryAcceptances, MemoryDirectory, MemoryGrants
from consumers.payment_projection.store import MemoryPayments
from consumers.risk_screening.store import MemoryPayers
from domain.limits import RiskLimits
from ledger_adapter.memory import MemoryLedger
from runtime.inbox import MemoryInbox
from runtime.stage import Stage, StageRunner
from runtime.topics import topic_map
from runtime.unit import MemoryUnit, MemoryUnits
from tests.model.memory_log import MemoryLog, Reader
from tests.support.memory_stage import ROOT, Crash, FixedClock, RawRecord
from tests.support.wallet_stages import wallet_stages

T = TypeVar("T")


class Fate(Enum):
    """What becomes of a batch, and of the process that works on it."""

    WELL = "well"
    UNCOMMITTED = "it dies before the commit"
    UNPUBLISHED = "it dies while it publishes"
    UNSAID = "it dies before the offsets are committed"
    LATE = "it stands still, and another goes on; it may wake up later"


@dataclass
class Worker:
    """A stage with its place in the log."""

    runner: StageRunner
    reader: Reader
    late: list[list[RawRecord]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.runner.stage.name


class FragileUnits(MemoryUnits):
    """Units whose process may die: `dies` before the commit, or after a statement of its own."""

    dies = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryUnit]:
        async with super().begin() as unit:
            yield unit
            if self.dies:
                raise Crash

    @asynccontextmanager
    async def plain(self) -> AsyncIterator[MemoryUnit]:
        async with super().plain() as unit:
            yield unit
            if self.dies:
                raise Crash


class Pipeline:
    """All stages of a wallet payment."""

    def __init__(self, limits: RiskLimits) -> None:
        self.clock = FixedClock()
        self.log = MemoryLog()
        self.ledger = MemoryLedger(now=self.clock.now)
        self.payments = MemoryPayments()
        self.directory = MemoryDirectory()
        self.payers = MemoryPayers()
        self.units = FragileUnits()
        self.inbox = MemoryInbox()
        self.workers = {
            stage.name: self._worker(stage)
            for stage in wallet_stages(
                directory=self.directory,
                acceptances=MemoryAcceptances(),
                grants=MemoryGrants(),
                payers=self.payers,
                limits=limits,
                ledger=self.ledger,
                payments=self.payments,
            )
        }

    def process(self, worker: Worker, records: Sequence[RawRecord], fate: Fate, fuse: int) -> bool:
        """Work on a batch; whether it came to its end. Offsets are the caller's."""
        self.units.dies = fate is Fate.UNCOMMITTED
        self.log.fuse = fuse if fate is Fate.UNPUBLISHED else None
        try:
            letters = at_once(worker.runner.process(records))
        except Crash:
            return False
        finally:
            self.units.dies = False
            self.log.fuse = None
        assert letters == []
        return True

    def _worker(self, stage: Stage) -> Worker:
        runner = StageRunner(
            stage,
            topics=topic_map(),
            prefix="",
            units=self.units,
            inbox=self.inbox,
            publisher=self.log,
            clock=self.clock,
        )
        return Worker(runner, Reader(list(runner.topics), self.log))


def account_of(person: str) -> UUID:
    """The account of a person."""
    return uuid5(ROOT, person)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine comes to that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        done: T = stop.value
        return done
    raise AssertionError("memory was waited for")
