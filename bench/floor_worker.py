"""Stages that decide nothing: `python -m bench.floor_worker [--commit] STAGE [STAGE ...]`.

What the pipeline cannot cost less than: the same topics (under a prefix of their own), groups,
consumer, loop and publisher, and the same sizes of records, but nothing is decoded, decided or
kept. With --commit each batch is one commit of one small row, as the cheapest stage would have.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import uvloop
from faststream import FastStream

from domain.errors import Defect
from runtime import limits
from runtime.app import stage_app
from runtime.collector import spare_collector
from runtime.dead_letter import DeadLetter, Record
from runtime.settings import Settings
from runtime.stage import Stage, StageRunner
from runtime.topics import TELLING
from runtime.unit import PostgresUnit, Unit
from schemas.event import Delivered, Event
from schemas.payment import PaymentPosted, PaymentResolved, PaymentScreened
from schemas.wire import Message
from titan.packing import may_be_late
from titan.priority import give_way

NEXT: Final[Mapping[str, tuple[str, int]]] = {
    "handle_resolution": (PaymentResolved.TOPIC, 320),
    "risk_screening": (PaymentScreened.TOPIC, 274),
    "ledger_posting": (PaymentPosted.TOPIC, 302),
}
"""Where each deciding stage publishes, and how many bytes its event has there: measured."""

GATHERS_MS: Final[Mapping[str, int]] = {
    "payment_projection": limits.GATHER_MS,
    **dict.fromkeys(TELLING, limits.TELL_GATHER_MS),
}
"""Stages that nothing waits for gather their records, as the real ones do."""

TABLE: Final = """
CREATE TABLE IF NOT EXISTS bench_floor (
    batch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text NOT NULL,
    records integer NOT NULL
);
GRANT INSERT ON bench_floor TO titan_app;
"""
"""What the commits go into."""

_INSERT: Final = "INSERT INTO bench_floor (stage, records) VALUES ($1, $2)"
_COMMIT: Final = "--commit"


class EmptyRunner(StageRunner):
    """A stage's runner, emptied: hands records on, and may commit one row a batch."""

    def __init__(self, real: StageRunner, *, commits: bool) -> None:
        vars(self).update(vars(real))
        self._commits = commits

    async def process(self, records: Sequence[Record]) -> list[DeadLetter]:
        """Commit, if that is wanted, then publish as many records as came."""
        if self._commits:
            async with self._units.begin() as unit:
                assert isinstance(unit, PostgresUnit)
                await unit.connection.execute(_INSERT, self.stage.name, len(records))
        if self.stage.name in NEXT:
            await self._publisher.publish(
                [handed_on(record, *NEXT[self.stage.name]) for record in records],
                deadline_s=limits.STAGE_PUBLISH_S_MAX,
            )
        return []


def handed_on(record: Record, topic: str, value_bytes: int) -> Message:
    """The same record for the next topic, as large as the event there would be."""
    assert record.key is not None
    assert record.value is not None
    # Its own bytes over again: what compresses as well as an event does.
    repeats = -(-value_bytes // len(record.value))
    headers = [(name, value) for name, value in record.headers if value is not None]
    return Message(topic, record.key, (record.value * repeats)[:value_bytes], headers)


async def nothing(_fresh: Sequence[Delivered[Any]], _unit: Unit) -> list[Event | None]:
    """Never called: the runner that would call it is emptied."""
    raise Defect("the empty pipeline decides nothing")


def floor_app(name: str, settings: Settings, *, commits: bool) -> FastStream:
    """The stage's application, in which only the runner is another."""

    def emptied(runner: StageRunner) -> StageRunner:
        return EmptyRunner(runner, commits=commits)

    stage = Stage(name, nothing)
    return stage_app(name, lambda _: stage, settings, gather_ms=GATHERS_MS.get(name), refit=emptied)


async def run(stages: Sequence[str], *, commits: bool) -> None:
    """Run until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    apps = [floor_app(stage, Settings(), commits=commits) for stage in stages]
    spare_collector()
    await asyncio.gather(*(app.start() for app in apps))
    await stopping.wait()
    await asyncio.gather(*(app.stop() for app in apps))


if __name__ == "__main__":
    wanted = [argument for argument in sys.argv[1:] if argument != _COMMIT]
    if may_be_late(wanted):
        give_way()
    uvloop.run(run(wanted, commits=_COMMIT in sys.argv))
