"""What was committed is published: in order for each key, at least once, as the same records."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.errors import Invalid, Unavailable, Unknown
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.outbox import OutboxRelay, put
from runtime.publisher import RECORD_BYTES_MAX, KafkaPublisher, MemoryPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.wire import Message
from tests.support.one_partition import TOPIC
from tests.support.waiting import eventually
from titan.servers import Endpoints

pytestmark = pytest.mark.real

CLOCK = SystemClock()


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    owner = await asyncpg.connect(database_dsn)
    await owner.execute("TRUNCATE outbox")
    await owner.close()
    database = await Database.connect(database_dsn, name="tests")
    yield database
    await database.close()


def message(key: str, value: object = "") -> Message:
    return Message(TOPIC, key.encode(), f"ü{value}".encode(), [("ce_id", str(uuid4()).encode())])


async def write(database: Database, *messages: Message) -> None:
    async with database.connection() as connection, connection.transaction():
        await put(connection, messages)


async def waiting(database: Database) -> int:
    async with database.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM outbox")
        return count


async def drained(database: Database, publisher: MemoryPublisher) -> list[Message]:
    relay = OutboxRelay(database, publisher, clock=CLOCK)
    while await relay.relay_once():
        pass
    return publisher.published


class Lost(MemoryPublisher):
    """Publishes, and does not hear that it did."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    async def publish(self, messages: Sequence[Message], *, deadline_s: float) -> None:
        await super().publish(messages, deadline_s=deadline_s)
        if self.failures:
            self.failures -= 1
            raise Unknown("no acknowledgement")


async def test_what_was_committed_is_published_as_it_was(database: Database) -> None:
    written = [message("a", 1), message("b", 2), message("a", 3)]
    await write(database, *written)

    published = await drained(database, MemoryPublisher())

    assert sorted(published) == sorted(written)
    assert [each.value for each in published if each.key == b"a"] == ["ü1".encode(), "ü3".encode()]
    assert await waiting(database) == 0


async def test_what_was_rolled_back_is_not_published(database: Database) -> None:
    async def broken() -> None:
        async with database.connection() as connection, connection.transaction():
            await put(connection, [message("a")])
            raise TimeoutError

    with pytest.raises(Unavailable):
        await broken()

    assert await drained(database, MemoryPublisher()) == []


async def test_without_an_answer_the_same_records_come_again(database: Database) -> None:
    written = [message("a", 1), message("a", 2)]
    await write(database, *written)
    publisher = Lost(1)
    relay = OutboxRelay(database, publisher, clock=CLOCK)
    with pytest.raises(Unknown):
        await relay.relay_once()

    assert await waiting(database) == len(written)
    assert await drained(database, publisher) == written * 2


async def test_a_record_too_large_never_gets_in(database: Database) -> None:
    with pytest.raises(Invalid, match="record_too_large"):
        await write(database, message("a", "x" * RECORD_BYTES_MAX))
    assert await waiting(database) == 0


async def test_many_relays_share_the_work_and_keep_each_keys_order(database: Database) -> None:
    """While transactions, each behind its key's lock, still write."""
    publisher = Lost(5)
    relays = [OutboxRelay(database, publisher, clock=CLOCK) for _ in range(3)]
    done = asyncio.Event()

    async def writing(key: str) -> None:
        for number in range(30):
            await write(database, message(key, number))

    async def relaying(relay: OutboxRelay) -> None:
        while not (done.is_set() and await waiting(database) == 0):
            try:
                await relay.relay_once()
            except Unknown:
                continue

    relaying_all = asyncio.gather(*map(relaying, relays))
    await asyncio.gather(*(writing(f"key-{number}") for number in range(6)))
    done.set()
    await relaying_all

    firsts: dict[bytes, list[bytes]] = defaultdict(list)
    for each in publisher.published:
        if each.value not in firsts[each.key]:
            firsts[each.key].append(each.value)
    for values in firsts.values():
        assert values == [f"ü{number}".encode() for number in range(30)]
    assert len(firsts) == 6


async def test_a_running_relay_is_woken_and_goes_on_after_a_failure(database: Database) -> None:
    publisher = Lost(1)
    relay = OutboxRelay(database, publisher, clock=CLOCK)
    relay.start()
    try:
        await write(database, message("a"))
        relay.wake()
        await eventually(lambda: len(publisher.published) == 2)
        assert len({each.headers[0] for each in publisher.published}) == 1

        async def is_empty() -> bool:
            return await waiting(database) == 0

        await eventually(is_empty)
    finally:
        await relay.stop()


async def test_it_reaches_the_log(
    database: Database, endpoints: Endpoints, topic_prefix: str
) -> None:
    only = topic_map().model_copy(update={"topics": [topic_map()[TOPIC]]})
    await apply_topics(endpoints.kafka_bootstrap, only, prefix=topic_prefix)
    publisher = KafkaPublisher(
        endpoints.kafka_bootstrap, prefix=topic_prefix, settings=Settings(), role="tests"
    )
    await write(database, message(str(UUID(int=1))))

    assert await OutboxRelay(database, publisher, clock=CLOCK).relay_once() == 1
    assert await waiting(database) == 0
    await publisher.stop()
