"""One process of a stage: the house's own shell, gate, poll and runner around its handler.

What FastStream does in production, calling `poll` and `on_batch` in turn, and what
`runtime/app.py` does at the end of a process is repeated here in a few lines; all else is real.
"""

import asyncio
import sys
import traceback

from runtime.consumer import BatchShell
from runtime.dead_letter import Record
from runtime.gate import Gate
from runtime.inbox import Inbox
from runtime.stage import Stage, StageRunner
from runtime.topics import topic_map
from tests.simulation.broker import Broker, SimulatedPublisher
from tests.simulation.consumer import SimulatedConsumer
from tests.simulation.database import Server
from tests.simulation.nature import Nature, SimulatedClock


class WatchedGate(Gate):
    """The house's gate, telling the story of what a rebalance interrupted."""

    def __init__(self, nature: Nature) -> None:
        super().__init__()
        self._nature = nature

    async def close(self) -> None:
        """Let nothing new begin, and wait for what has begun."""
        if not self._idle.is_set():
            self._nature.trace.sometimes("a rebalance found a batch in progress")
        await super().close()
        if not self._idle.is_set():
            self._nature.trace.sometimes("a rebalance did not wait for a batch to the end")


class Member:
    """A stage's process, which can be started, killed, frozen and stopped again and again."""

    def __init__(
        self,
        name: str,
        stage: Stage,
        *,
        inbox: Inbox,
        broker: Broker,
        server: Server,
        nature: Nature,
    ) -> None:
        self.name = name
        self.stage = stage
        self.defects: list[str] = []
        self._inbox = inbox
        self._broker = broker
        self._server = server
        self._nature = nature
        self.start()

    def start(self) -> None:
        """Begin, with nothing in memory."""
        nature, stage = self._nature, self.stage
        clock = SimulatedClock(nature)
        self.process = nature.loop.process(self.name, is_mortal=True)
        self._gate = WatchedGate(nature)
        runner = StageRunner(
            stage,
            topics=topic_map(),
            prefix="",
            units=self._server,
            inbox=self._inbox,
            publisher=SimulatedPublisher(self._broker, nature),
            clock=clock,
        )
        self.topics = list(runner.topics)
        group = self._broker.group(stage.group, self.topics)
        self.consumer = SimulatedConsumer(self.name, self._broker, group, self._gate, nature)
        self._shell = BatchShell(runner, gate=self._gate, clock=clock, on_defect=self._stop_at_once)
        self.process.spawn(self.consumer.belong())
        self.process.spawn(self.consumer.beat())
        self._committing = self.process.spawn(self._shell.keep_committing())
        self.process.spawn(self._work())
        nature.trace.note(f"starts {self.name}")

    @property
    def is_zombie(self) -> bool:
        """Whether its group has gone on without it."""
        return self.consumer.is_zombie

    @property
    def halted(self) -> bool:
        """Whether it stopped because of too many dead letters."""
        return self._shell.halted

    @property
    def interrupted_in(self) -> str:
        """What a kill now would interrupt."""
        if self.process.doing == "nothing" and self._shell._uncommitted:
            return "between its publish and its offsets"
        return self.process.doing

    def stop(self, ended: asyncio.Future[None]) -> None:
        """End in good order, as on SIGTERM, and say when it is done."""
        self._nature.trace.note(f"stops {self.name}")
        self.process.spawn(self._stop(ended))

    async def _work(self) -> None:
        while True:
            records = await self._shell.next_records(self.consumer)
            if records:
                self._tell(records)
            await self._shell.on_batch(records, self.consumer)
            self.process.doing = "nothing"

    async def _stop(self, ended: asyncio.Future[None]) -> None:
        self._committing.cancel()
        await self._gate.close()
        await self.consumer.leave()
        if not ended.done():
            ended.set_result(None)
        self.process.kill()
        self._server.client_died(self.process)

    def _tell(self, records: tuple[Record, ...]) -> None:
        where = " ".join(f"{each.topic}/{each.partition}/{each.offset}" for each in records)
        self._nature.trace.note(f"works on {where}")

    def _stop_at_once(self) -> None:
        self.defects.append(f"{self.name}: {traceback.format_exc()}")
        self._nature.trace.note(f"defect: {sys.exception()!r}")
        self.process.kill()
        self._server.client_died(self.process)
