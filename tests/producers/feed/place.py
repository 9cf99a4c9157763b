"""A feed's edge, its stage, and who reads."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI
from starlette.requests import Request

from consumers.event_feed.app import build
from consumers.event_feed.handler import on_events
from consumers.event_feed.store import PostgresFeed
from domain.errors import Unavailable, Unknown
from producers.feed.app import make_app
from runtime.app import stage_app
from runtime.clock import Clock, SystemClock
from runtime.database import Database
from runtime.http.caller import Caller, Kind
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topics import group_of, topic_map
from runtime.unit import PostgresUnits
from schemas.event import Event
from tests.support.asgi import Answer, call, running
from tests.support.public_events import delivered, message_of
from titan.group_state import GroupReader


async def client_of(request: Request) -> Caller:
    """The client that the test names."""
    return Caller(request.headers["test-client"], Kind.DEMO)


@dataclass(frozen=True)
class Reader:
    """Who pulls."""

    app: FastAPI
    client_id: str

    def other(self) -> "Reader":
        """Somebody else who asks the same edge."""
        return replace(self, client_id=f"client:{uuid4()}")

    async def ask(self, query: str = "", *, wait_s: int | None = None) -> Answer:
        """GET /events."""
        headers = [("test-client", self.client_id)]
        if wait_s is not None:
            headers.append(("prefer", f"wait={wait_s}"))
        return await call(self.app, "GET", f"/events{query and '?'}{query}", headers=headers)

    async def pull(self, query: str = "", *, wait_s: int | None = None) -> Any:
        """The answer's document; it is no error."""
        answer = await self.ask(query, wait_s=wait_s)
        assert answer.status == 200, answer
        return answer.document


@dataclass
class Place:
    """Servers, and topics of this room's own."""

    settings: Settings

    @asynccontextmanager
    async def edge(self) -> AsyncIterator[Reader]:
        """An edge process of its own, asked by a new client."""
        async with running(make_app(self.settings, authenticator=client_of)) as app:
            yield Reader(app, f"client:{uuid4()}")

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """A connection pool of the test's own."""
        assert self.settings.postgres_dsn is not None
        dsn = self.settings.postgres_dsn.get_secret_value()
        database = await Database.connect(dsn, name="tests")
        yield database
        await database.close()

    async def tell(self, events: Sequence[Event], *, clock: Clock | None = None) -> None:
        """Let the stage handle these, in this order."""
        async with self.database() as database, PostgresUnits(database).plain() as unit:
            store = PostgresFeed(clock or SystemClock())
            await on_events([delivered(event) for event in events], unit, feed=store)

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[None]:
        """The stage keeps up with the log while the block runs."""
        app = stage_app("event_feed", build, self.settings)
        await app.start()
        try:
            yield
        finally:
            await app.stop()

    async def publish(self, events: Sequence[Event]) -> None:
        """Put events on their topics: again, if new topics have no leaders yet."""
        assert self.settings.kafka_bootstrap is not None
        publisher = KafkaPublisher(
            self.settings.kafka_bootstrap,
            prefix=self.settings.topic_prefix,
            settings=self.settings,
            role="tests",
        )
        await publisher.start()
        try:
            messages, is_published = [message_of(event) for event in events], False
            while not is_published:
                with suppress(Unavailable, Unknown):
                    await publisher.publish(messages, deadline_s=10)
                    is_published = True
        finally:
            await publisher.stop()

    async def until_members(self, count: int) -> None:
        """Wait until so many processes share the stage's partitions."""
        assert self.settings.kafka_bootstrap is not None
        group, members = group_of("event_feed"), 0
        while members != count:
            reader = GroupReader(
                bootstrap=self.settings.kafka_bootstrap,
                prefix=self.settings.topic_prefix,
                clock=SystemClock(),
            )
            [state] = await reader.read({group: {}})
            members = state.members

    async def logged(self, topics: Sequence[str]) -> list[Any]:
        """Every record of these topics, as the broker has it."""
        partitions = [
            TopicPartition(self.settings.topic_prefix + topic, number)
            for topic in topics
            for number in range(topic_map()[topic].partitions)
        ]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[Any] = []
            while len(records) < sum(ends.values()):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
            return records
        finally:
            await consumer.stop()
