"""The shell around a stage's batches: fetches, retries, seeks back and commits.

The client library moves its position on whatever happens in a handler, so nothing leaves here
without either a note to commit `last + 1` explicitly or a seek back to the first record.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from domain.errors import Unavailable
from runtime import limits, metrics
from runtime.clock import Clock
from runtime.crash_points import Point, crash_point, crash_point_in_flight
from runtime.dead_letter import DeadLetter, Record
from runtime.gate import Gate
from runtime.poll import poll, to_committed
from runtime.slow import said_if_slow
from runtime.stage import StageRunner

log = structlog.get_logger()

_COMMIT_S_MAX: Final = 10.0
_STALE_COMMIT_S: Final = 30.0
_STUCK_S: Final = 30.0
"""A group's coordinator that says nothing for so long is one that the library has lost: after a
broker's restart it may look for it for ever. A new process finds it."""


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
        self._noted_in_generation = gate.generation
        self._silent_since_s: float | None = None
        self._committing = asyncio.Lock()
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

    async def next_records(self, consumer: Any) -> tuple[Record, ...]:  # noqa: ANN401
        """Wait inside the broker's fetch; none while halted, or while partitions change hands."""
        if self.halted or self._gate.closing:
            await self._clock.sleep(limits.POLL_WAIT_MS / 1000)
            return ()
        generation = self._gate.generation
        crash_point(self._stage, Point.FETCH_BEFORE)
        try:
            records = await poll(consumer, self._clock, rewind=self._rewind)
        except KafkaError as error:
            # Answered here: FastStream would pause for longer, and all stages for equally long.
            log.warning("fetch_failed", stage=self._stage, error=type(error).__name__)
            await self._clock.sleep(self._clock.jitter(limits.BACKOFF_S_MAX))
            return ()
        if records:
            crash_point(self._stage, Point.FETCH_AFTER)
        if generation != self._gate.generation:
            # Perhaps read before the partitions changed hands, while positions are those of
            # after it: begin again, so that the two agree.
            await self._rewind(consumer)
            return ()
        return records

    async def _rewind(self, consumer: Any) -> None:  # noqa: ANN401
        """Back to what was committed, and until that is so no records: some would be skipped."""
        while True:
            try:
                async with self._committing:
                    # What is noted first: else two bad records could lead back to each other.
                    await self._commit()
                    async with asyncio.timeout(_COMMIT_S_MAX):
                        await to_committed(consumer)
                self._silent_since_s = None
            except (KafkaError, TimeoutError) as error:
                log.warning("rewind_failed", stage=self._stage, error=type(error).__name__)
                self._end_if_stuck(error)
                await self._clock.sleep(self._clock.jitter(limits.BACKOFF_S_MAX))
            else:
                return

    async def on_batch(self, records: Sequence[Record], consumer: Any) -> None:  # noqa: ANN401
        """Handle one batch; its offsets are committed soon after. Or seek back to its start."""
        if not records or self.halted or not self._gate.enter():
            return
        done = False
        try:
            self._consumer = consumer
            generation = self._gate.generation
            self._observe_age(records)
            count = len(records)
            with said_if_slow("batch", self._clock, stage=self._stage, records=count):
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
        self._drop_stale_notes()
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            # What was handled stays so, also when a rewind makes it come again.
            end = max(record.offset + 1, self._handled.get(place, 0))
            self._handled[place] = self._uncommitted[place] = end

    def _drop_stale_notes(self) -> None:
        """Forget ends noted before partitions changed hands: who has them since knows better."""
        if self._noted_in_generation != self._gate.generation:
            self._noted_in_generation = self._gate.generation
            self._handled.clear()
            self._uncommitted.clear()

    async def commit(self) -> None:
        """Commit the end of what was handled since the last time."""
        async with self._committing:
            with said_if_slow("commit", self._clock, stage=self._stage):
                await self._commit()

    async def _commit(self) -> None:
        self._drop_stale_notes()
        generation = self._gate.generation
        ends, self._uncommitted = self._uncommitted, {}
        if not ends:
            return
        # One lost partition would make the broker refuse the whole map.
        assigned = self._consumer.assignment()
        unsaid = {place: end for place, end in ends.items() if place in assigned}
        try:
            async with asyncio.timeout(_COMMIT_S_MAX):
                if unsaid:
                    crash_point(self._stage, Point.OFFSETS_BEFORE)
                    crash_point_in_flight(self._stage, Point.OFFSETS_SENT)
                    await self._consumer.commit(unsaid)
                    crash_point(self._stage, Point.OFFSETS_ACKED)
            unsaid = {}
            self._silent_since_s = None
            self._committed_at_s = self._clock.monotonic_s()
        except (KafkaError, TimeoutError) as error:
            # The work is done and stored; whoever reads these records again finds it in the inbox.
            log.warning("commit_failed", stage=self._stage, error=type(error).__name__)
            self._end_if_stuck(error)
        finally:
            # Said again next time, also after a cancellation: no other record may ever come, and
            # the group would look behind for good.
            if generation == self._gate.generation:
                self._uncommitted = unsaid | self._uncommitted

    def _end_if_stuck(self, error: Exception) -> None:
        """End this process if the coordinator has not answered at all for _STUCK_S."""
        now_s = self._clock.monotonic_s()
        if not isinstance(error, TimeoutError):
            self._silent_since_s = None
        elif self._silent_since_s is None:
            self._silent_since_s = now_s
        elif now_s - self._silent_since_s >= _STUCK_S:
            log.critical("coordinator_lost", stage=self._stage)
            self._on_defect()

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
