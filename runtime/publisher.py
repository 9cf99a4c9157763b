"""Publishing: every record acknowledged by all replicas, or an honest word about what is known."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from domain.errors import Invalid, Unavailable, Unknown
from runtime import limits, metrics
from runtime.crash_points import Point, crash_point, crash_point_in_flight
from runtime.settings import Settings
from schemas.wire import Message

log = structlog.get_logger()

RECORD_BYTES_MAX: Final = 240 * 1024
"""Below the topics' max.message.bytes: one refusal by the broker breaks the partition's sequence
for this producer for good, so a record too large must never get that far."""

_BATCH_BYTES_MAX: Final = 128 * 1024
_RECORD_OVERHEAD_BYTES: Final = 128
_CONNECTING_S_MAX: Final = 3.0
_STARTING_S_MAX: Final = 15.0
_STOP_S_MAX: Final = 2.0


class Publisher(Protocol):
    """Puts messages on their topics."""

    async def publish(self, messages: Sequence[Message], *, deadline_s: float) -> None:
        """Return when every message is acknowledged; same key, same partition, same order.

        Errors: Unknown when no answer came within `deadline_s` (they may be in the log);
        Unavailable when they were certainly not sent; Invalid when one is too large.
        """
        ...


class MemoryPublisher:
    """A log in memory."""

    def __init__(self) -> None:
        self.published: list[Message] = []

    async def publish(self, messages: Sequence[Message], *, deadline_s: float) -> None:
        """Append."""
        assert deadline_s > 0
        self.published.extend(messages)


class KafkaPublisher:
    """An idempotent producer (acks=all) that is rebuilt when it may have lost its sequence.

    Messages are grouped by partition and sent as one record batch each: a future a partition
    instead of a future a record. It does NOT time out what it has sent: a record past its
    deadline may still reach the log, which is why every reader dedupes.
    """

    def __init__(self, bootstrap: str, *, prefix: str, settings: Settings, role: str) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._settings = settings
        self._role = role
        # Where a test orders crashes: a stage's group is its room with dashes.
        self._room = role.replace("-", "_")
        self._producer: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._in_flight_records = 0
        self._rebuilding = asyncio.Lock()
        self._is_stopped = False
        self._discarding: set[asyncio.Task[None]] = set()
        self._unanswered: dict[AIOKafkaProducer, set[asyncio.Task[None]]] = defaultdict(set)

    async def start(self) -> None:
        """Connect; Unavailable if no broker answers."""
        self._is_stopped = False
        await self._connect()

    async def _connect(self) -> None:
        async with self._rebuilding:
            if self._is_stopped:
                raise Unavailable("the publisher has been stopped")
            if self._producer is None:
                self._producer = await self._started()

    async def stop(self) -> None:
        """Flush for a moment, then close."""
        self._is_stopped = True
        # Whoever is connecting just now, for a send that nobody waits for, is let finish first.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONNECTING_S_MAX), self._rebuilding:
                pass
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._give_up(producer)
        await asyncio.gather(*self._discarding)

    async def ping(self) -> None:
        """Unavailable if no broker answers."""
        await self._connect()
        producer = self._producer
        if producer is None or not await producer.client.force_metadata_update():
            raise Unavailable("Kafka: no broker answers")

    async def publish(self, messages: Sequence[Message], *, deadline_s: float) -> None:
        """Send all and wait for every acknowledgement."""
        if not messages:
            return
        if self._in_flight_records + len(messages) > limits.PUBLISHES_IN_FLIGHT_MAX:
            raise Unavailable("too many records wait for the broker")
        crash_point(self._room, Point.PUBLISH_BEFORE)
        self._in_flight_records += len(messages)
        # A task of its own: a caller that gives up does not stop what is being sent, and the
        # records count as in flight for as long as they are.
        sending = asyncio.create_task(self._send(messages))
        sending.add_done_callback(lambda task: self._landed(task, len(messages)))
        try:
            with metrics.PUBLISH_SECONDS.labels(self._role).time():
                async with asyncio.timeout(deadline_s):
                    crash_point_in_flight(self._room, Point.PUBLISH_SENT)
                    await asyncio.shield(sending)
        except TimeoutError as error:
            metrics.PUBLISH_UNKNOWN.labels(self._role).inc()
            records = len(messages)
            log.warning("publish_unknown", role=self._role, records=records, after_s=deadline_s)
            raise Unknown("no acknowledgement within the deadline") from error
        crash_point(self._room, Point.PUBLISH_ACKED)

    def _landed(self, task: asyncio.Task[None], count: int) -> None:
        self._in_flight_records -= count
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("publish_failed", role=self._role, error=type(error).__name__)

    async def _send(self, messages: Sequence[Message]) -> None:
        sending = asyncio.current_task()
        producer = self._producer
        assert sending is not None
        try:
            if producer is None:
                await self._connect()
                producer = self._producer
                assert producer is not None
            self._unanswered[producer].add(sending)
            futures = [
                await producer.send_batch(batch, topic, partition=partition)
                for topic, partition, batch in await self._batches(producer, messages)
            ]
            answers = await asyncio.gather(*futures, return_exceptions=True)
        except asyncio.CancelledError as error:
            raise Unknown("its producer was closed before the broker answered") from error
        except KafkaError as error:
            await self._discard(producer)
            raise Unknown(f"the broker refused: {type(error).__name__}") from error
        finally:
            self._unanswered.get(producer, set()).discard(sending)
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        if failed:
            # The sequence of a partition may have a hole now: every later send would be refused.
            await self._discard(producer)
            raise Unknown(f"a send failed: {type(failed[0]).__name__}") from failed[0]

    async def _batches(
        self, producer: AIOKafkaProducer, messages: Sequence[Message]
    ) -> list[tuple[str, int, object]]:
        grouped: dict[tuple[str, int], list[Message]] = defaultdict(list)
        for message in messages:
            topic = self._prefix + message.topic
            count = self._partitions.get(topic)
            if count is None:
                count = self._partitions[topic] = len(await producer.partitions_for(topic))
            grouped[topic, partition_of(message.key, count)].append(message)
        batches: list[tuple[str, int, object]] = []
        for (topic, partition), group in grouped.items():
            batch = None
            for message in group:
                if batch is None or not _append(batch, message):
                    batch = _begun(producer.create_batch(), message)
                    batches.append((topic, partition, batch))
        return batches

    async def _started(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=f"titan-{self._role}",
            acks=self._settings.producer_acks,
            enable_idempotence=self._settings.producer_idempotence,
            request_timeout_ms=self._settings.producer_request_timeout_ms,
            max_batch_size=_BATCH_BYTES_MAX,
            max_request_size=RECORD_BYTES_MAX + _RECORD_OVERHEAD_BYTES,
            compression_type="snappy",
            linger_ms=0,
        )
        try:
            # A broker that is only beginning has no producer's id to give. The library asks again
            # for as long as that lasts, and all who publish would wait behind it.
            async with asyncio.timeout(_STARTING_S_MAX):
                await producer.start()
        except (KafkaError, OSError) as error:
            await _close(producer)
            raise Unavailable(f"Kafka: {type(error).__name__}") from error
        except asyncio.CancelledError:
            await _close(producer)
            raise
        return producer

    async def _discard(self, producer: AIOKafkaProducer | None) -> None:
        async with self._rebuilding:
            if producer is None or self._producer is not producer:
                return
            self._producer = None
        closing = asyncio.create_task(self._give_up(producer))
        self._discarding.add(closing)
        closing.add_done_callback(self._discarding.discard)

    async def _give_up(self, producer: AIOKafkaProducer) -> None:
        """Close a producer, and let go of the sends that it will never answer.

        They would count as in flight for ever, until nothing more could be published.
        """
        await _close(producer)
        for sending in self._unanswered.pop(producer, set()):
            sending.cancel()


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, count: int) -> int:
    """The partition of a key, as Kafka's own default partitioner has it (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % count)


def _begun(batch: Any, message: Message) -> Any:  # noqa: ANN401 - aiokafka's builder is private
    """A batch with its first message, whose size is that of the batch."""
    _append(batch, message)
    if batch.size() > RECORD_BYTES_MAX:
        raise Invalid("record_too_large", f"a record has at most {RECORD_BYTES_MAX} bytes")
    return batch


def _append(batch: Any, message: Message) -> bool:  # noqa: ANN401
    """Whether the message had room in the batch; the first has, whatever its size."""
    appended = batch.append(
        timestamp=None, key=message.key, value=message.value, headers=message.headers
    )
    return appended is not None


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(_STOP_S_MAX):
            # Before `stop`, which would flush in a task of its own and leave it behind.
            await producer.flush()
            await producer.stop()
    except (TimeoutError, KafkaError, OSError):
        # The flush waits for ever while the broker is away: cut the sender and the sockets.
        producer._closed = True  # noqa: SLF001 - what `stop` does first
        sender = getattr(producer, "_sender", None)
        task = getattr(sender, "sender_task", None)
        if task is not None:
            task.cancel()
        await producer.client.close()
        if task is not None:
            await asyncio.wait([task], timeout=_STOP_S_MAX)
