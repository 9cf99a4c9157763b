"""The shell around a stage's batches: retries, seeks back, commits, and rebalances.

The client library moves its position on whatever happens in a handler, so nothing leaves here
without either a note to commit `last + 1` explicitly or a seek back to the first record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from domain.errors import Unavailable
from runtime import limits, metrics
from runtime.clock import Clock
from runtime.crash_points import Point, crash_point, crash_point_in_flight
from runtime.dead_letter import DeadLetter, Record
from runtime.stage import StageRunner

log = structlog.get_logger()

_COMMIT_S_MAX: Final = 10.0
_STALE_COMMIT_S: Final = 30.0


class Gate(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types
    """Holds a planned rebalance until the batch in progress is done.

    Without it the next owner starts the very records that this one still works on. It cannot stop
    an eviction: correctness comes from the inbox, this only saves work.
    """

    def __init__(self, room: str = "") -> None:
        self.generation = 0
        self._room = room
        self._open = True
        self._idle = asyncio.Event()
        self._idle.set()
        self._before_release: Callable[[], Awaitable[None]] | None = None

    def enter(self) -> bool:
        """Begin a batch; False while partitions change hands."""
        if not self._open:
            return False
        self._idle.clear()
        return True

    def leave(self) -> None:
        """End a batch."""
        self._idle.set()

    def before_release(self, act: Callable[[], Awaitable[None]]) -> None:
        """Call this after the last batch and before the partitions are given up."""
        self._before_release = act

    @property
    def closing(self) -> bool:
        """Whether a rebalance or the end waits for this batch."""
        return not self._open

    async def close(self) -> None:
        """Let nothing new begin, wait, within bounds, for what has begun, and round it off."""
        self._open = False
        try:
            async with asyncio.timeout(limits.REVOKE_WAIT_S):
                await self._idle.wait()
                if self._before_release is not None:
                    await self._before_release()
        except TimeoutError:
            log.warning("released_mid_batch")

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """Finish before the partitions change hands."""
        crash_point(self._room, Point.REVOKE_BEFORE)
        if not self._idle.is_set():
            log.info("rebalance_waits_for_batch", stage=self._room)
        await self.close()
        self.generation += 1
        crash_point(self._room, Point.REVOKE_AFTER)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Open again; positions are those that were committed."""
        crash_point(self._room, Point.ASSIGN_BEFORE)
        self.generation += 1
        self._open = True
        log.info("assigned", stage=self._room, partitions=len(assigned))
        crash_point(self._room, Point.ASSIGN_AFTER)


class BatchShell:
    """Feeds a consumer's batches to a runner, for as long as the process lives."""

    def __init__(
        self, runner: StageRunner, *, gate: Gate, clock: Clock, on_defect: Callable[[], None]
    ) -> None:
        self._runner = runner
        self._gate = gate
        self._clock = clock
        self._on_defect = on_defect
        self._stage = runner.stage.name
        self._letters_in_a_row: dict[tuple[str, int], int] = {}
        self._committed_at_s = clock.monotonic_s()
        self._handled: dict[TopicPartition, int] = {}
        self._uncommitted: dict[TopicPartition, int] = {}
        self._consumer: Any = None
        self._lag_records = 0
        self.halted = False
        gate.before_release(self.commit)

    @property
    def healthy(self) -> bool:
        """Whether the committed offset moves or there is nothing to do."""
        quiet_s = self._clock.monotonic_s() - self._committed_at_s
        return not self.halted and (self._lag_records == 0 or quiet_s < _STALE_COMMIT_S)

    @property
    def lag_records(self) -> int:
        """Records in the assigned partitions that are not handled yet."""
        return self._lag_records

    async def on_batch(self, records: Sequence[Record], consumer: Any) -> None:  # noqa: ANN401
        """Handle one batch; its offsets are committed soon after. Or seek back to its start."""
        if not records or self.halted or not self._gate.enter():
            return
        done = False
        try:
            self._consumer = consumer
            generation = self._gate.generation
            self._observe_age(records)
            done = await self._attempts(records)
            if done and generation == self._gate.generation:
                self._note_handled(records)
        except Exception:
            # A defect, foreseen or not: keep the offset, say so, and stop before money is lost.
            log.exception("defect", stage=self._stage)
            self._on_defect()
        finally:
            if not done:
                self._seek_back(records, consumer)
            self._gate.leave()
        self._observe_lag(consumer)
        if not done:
            await self._clock.sleep(self._clock.jitter(limits.BACKOFF_S_MAX))

    async def _attempts(self, records: Sequence[Record]) -> bool:
        pause_s = limits.BACKOFF_S
        for attempt in range(1, limits.ATTEMPTS_MAX + 1):
            try:
                with metrics.BATCH_SECONDS.labels(self._stage).time():
                    async with asyncio.timeout(limits.BATCH_S_MAX):
                        letters = await self._runner.process(records)
            except (Unavailable, TimeoutError) as error:
                metrics.RETRIES.labels(self._stage).inc()
                log.warning("unavailable", stage=self._stage, attempt=attempt, error=str(error))
                if self._gate.closing or attempt == limits.ATTEMPTS_MAX:
                    return False
                await self._clock.sleep(self._clock.jitter(pause_s))
                pause_s = min(pause_s * 2, limits.BACKOFF_S_MAX)
            else:
                metrics.BATCH_RECORDS.labels(self._stage).observe(len(records))
                self._count_letters(records, letters)
                return True
        return False

    def _count_letters(self, records: Sequence[Record], letters: Sequence[DeadLetter]) -> None:
        """Halt when too many records in a row of one partition were not understood.

        Then it is not the records that are wrong but this program or its producer, and dead
        letters would only scatter what one fix can mend.
        """
        dead = {(item.record.topic, item.record.partition, item.record.offset) for item in letters}
        for record in records:
            place = (record.topic, record.partition)
            if (*place, record.offset) in dead:
                self._letters_in_a_row[place] = self._letters_in_a_row.get(place, 0) + 1
            elif place in self._letters_in_a_row:
                del self._letters_in_a_row[place]
        if any(run >= limits.DEAD_LETTER_RUN_MAX for run in self._letters_in_a_row.values()):
            self.halted = True
            metrics.HALTED.labels(self._stage).set(1)
            log.critical("halted", stage=self._stage, reason="too many dead letters in a row")

    async def keep_committing(self) -> None:
        """Commit what was handled, every now and then, until cancelled.

        Not with each batch: at low rates a batch is one record, and the commits would cost the
        broker more than the records. An offset is only a note of where to begin again, never
        ahead of the work; what is read twice is found in the inbox.
        """
        while True:
            await self._clock.sleep(limits.COMMIT_INTERVAL_S)
            await self.commit()

    def _note_handled(self, records: Sequence[Record]) -> None:
        ends = {
            TopicPartition(record.topic, record.partition): record.offset + 1 for record in records
        }
        self._handled.update(ends)
        self._uncommitted.update(ends)

    async def commit(self) -> None:
        """Commit the end of what was handled since the last time."""
        ends, self._uncommitted = self._uncommitted, {}
        if not ends:
            return
        # One lost partition would make the broker refuse the whole map.
        assigned = self._consumer.assignment()
        owned = {place: end for place, end in ends.items() if place in assigned}
        try:
            async with asyncio.timeout(_COMMIT_S_MAX):
                if owned:
                    crash_point(self._stage, Point.OFFSETS_BEFORE)
                    crash_point_in_flight(self._stage, Point.OFFSETS_SENT)
                    await self._consumer.commit(owned)
                    crash_point(self._stage, Point.OFFSETS_ACKED)
            self._committed_at_s = self._clock.monotonic_s()
        except (KafkaError, TimeoutError) as error:
            # The work is done and stored; whoever reads these records again finds it in the inbox.
            log.warning("commit_failed", stage=self._stage, error=type(error).__name__)

    def _seek_back(self, records: Sequence[Record], consumer: Any) -> None:  # noqa: ANN401
        starts: dict[TopicPartition, int] = {}
        for record in records:
            starts.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        for place, start in starts.items():
            try:
                consumer.seek(place, start)
            except IllegalStateError:
                # Not ours any more: its new owner begins at the committed offset.
                continue

    def _observe_age(self, records: Sequence[Record]) -> None:
        oldest_ms = min(record.timestamp for record in records)
        age_s = max(0.0, self._clock.now().timestamp() - oldest_ms / 1000)
        metrics.LAG_SECONDS.labels(self._runner.stage.group).set(age_s)

    def _observe_lag(self, consumer: Any) -> None:  # noqa: ANN401
        by_topic = dict.fromkeys(self._runner.topics, 0)
        for place in consumer.assignment():
            end = consumer.highwater(place)
            if end is not None:
                by_topic[place.topic] += max(0, end - self._handled.get(place, end))
        for topic, lag in by_topic.items():
            metrics.LAG_RECORDS.labels(self._runner.stage.group, topic).set(lag)
        self._lag_records = sum(by_topic.values())
        if self._lag_records == 0:
            metrics.LAG_SECONDS.labels(self._runner.stage.group).set(0)
