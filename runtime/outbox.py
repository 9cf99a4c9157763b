"""The outbox: events of an edge whose effect is a row of PostgreSQL, and not a request on the log.

`put` writes them in the effect's own transaction, so that neither is there without the other; the
relay publishes them after the commit, and deletes them once the broker has acknowledged. Killed in
between, it publishes them again: the same records, with the same ids, at least once.

A stage needs none of this: Kafka's redelivery is its relay (runtime/stage.py).
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Final
from zlib import crc32

import structlog

from domain.errors import Invalid, TitanError, Unavailable
from runtime import metrics
from runtime.clock import Clock
from runtime.database import Connection, Database
from runtime.publisher import RECORD_BYTES_MAX, Publisher
from schemas.wire import Message

LANES: Final = 8
"""Keys are spread over so many lanes, each published by one process at a time."""

RELAY_RECORDS_MAX: Final = 500
"""Records that the relay publishes and deletes together."""

RELAY_POLL_S: Final = 0.5
"""An idle relay looks this often for what others have written."""

RELAY_PUBLISH_S_MAX: Final = 5.0
"""The relay waits so long for the acknowledgements; then it publishes the same records again."""

RELAY_REST_S: Final = 1.0
"""Pause after a failure, with jitter."""

STUCK_ROUNDS: Final = 60
"""So many failures in a row, each a pause apart, are a trouble: fewer may be a database that is
just being made ready."""

log = structlog.get_logger()

_PUT: Final = """
    INSERT INTO outbox (lane, topic, key, value, headers)
    SELECT * FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::bytea[], $5::jsonb[])
"""

_TAKE_LANE: Final = """
    SELECT lane, (SELECT extract(epoch FROM now() - min(written_at))::float8 FROM outbox) AS age_s
    FROM outbox_lanes
    WHERE EXISTS (SELECT FROM outbox WHERE outbox.lane = outbox_lanes.lane)
    ORDER BY random() LIMIT 1
    FOR UPDATE SKIP LOCKED
"""

_READ: Final = """
    SELECT position, topic, key, value, headers
    FROM outbox WHERE lane = $1 ORDER BY position LIMIT $2
"""

_DELETE: Final = "DELETE FROM outbox WHERE position = ANY($1::bigint[])"


async def put(connection: Connection, messages: Sequence[Message]) -> None:
    """Write messages (of `schemas.wire.encode`) in the caller's transaction.

    Messages of one key are published in the order of their transactions, if those exclude each
    other (by a lock on the row that they are about, taken before). Invalid when one is too large.
    """
    assert connection.is_in_transaction(), "an outbox without a transaction keeps no promise"
    if not messages:
        return
    for message in messages:
        headers_bytes = sum(len(name) + len(value) for name, value in message.headers)
        if len(message.key) + len(message.value) + headers_bytes > RECORD_BYTES_MAX:
            raise Invalid("record_too_large", f"a record has at most {RECORD_BYTES_MAX} bytes")
    await connection.execute(
        _PUT,
        [crc32(message.key) % LANES for message in messages],
        [message.topic for message in messages],
        [message.key for message in messages],
        [message.value for message in messages],
        [
            json.dumps([[name, value.decode()] for name, value in message.headers])
            for message in messages
        ],
    )


class OutboxRelay:
    """Publishes what is in the outbox, whoever wrote it. Any number may run at once.

    Give it a database of its own: it keeps a connection while it waits for the broker.
    """

    def __init__(self, database: Database, publisher: Publisher, *, clock: Clock) -> None:
        self._database = database
        self._publisher = publisher
        self._clock = clock
        self._wanted = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run until `stop`."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Leave what is not published yet to the next one."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def wake(self) -> None:
        """Something was committed: look now."""
        self._wanted.set()

    async def relay_once(self) -> int:
        """Publish and delete the oldest records of one lane; how many there were.

        Unavailable when the database or the broker does not answer: then all of them are still
        there, and some may be in the log too.
        """
        async with self._database.connection() as connection, connection.transaction():
            lane = await connection.fetchrow(_TAKE_LANE)
            if lane is None:
                metrics.OUTBOX_AGE_SECONDS.set(0)
                return 0
            metrics.OUTBOX_AGE_SECONDS.set(lane["age_s"] or 0)
            rows = await connection.fetch(_READ, lane["lane"], RELAY_RECORDS_MAX)
            messages = [
                Message(
                    row["topic"],
                    row["key"],
                    row["value"],
                    [(name, value.encode()) for name, value in json.loads(row["headers"])],
                )
                for row in rows
            ]
            await self._publisher.publish(messages, deadline_s=RELAY_PUBLISH_S_MAX)
            await connection.execute(_DELETE, [row["position"] for row in rows])
        metrics.OUTBOX_PUBLISHED.inc(len(rows))
        return len(rows)

    async def _run(self) -> None:
        failures = 0
        while True:
            self._wanted.clear()
            try:
                while await self.relay_once():
                    pass
            except TitanError as error:
                # Nothing is lost: it is tried again for as long as it takes.
                failures += 1
                is_stuck = failures >= STUCK_ROUNDS and not isinstance(error, Unavailable)
                say = log.error if is_stuck else log.warning
                say("outbox_stuck" if is_stuck else "outbox_waits", error=str(error))
                await self._clock.sleep(self._clock.jitter(RELAY_REST_S))
            else:
                failures = 0
                try:
                    async with asyncio.timeout(self._clock.jitter(RELAY_POLL_S)):
                        await self._wanted.wait()
                except TimeoutError:
                    continue
