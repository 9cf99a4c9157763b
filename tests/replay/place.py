"""A broker, topics and a database of a test's own, with living stages and the command line."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from typer.testing import CliRunner

from runtime.app import stage_app
from runtime.clock import SystemClock
from runtime.dead_letter_log import dead_letter_topics
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topics import group_of, topic_map
from schemas.event import Event
from schemas.wire import Message, encode, first_envelope
from tests.support.waiting import eventually
from titan.chaos.garbage import litter
from titan.cli import app

TABLES = ("payments", "accounts", "directory_handles", "directory_changes")


def message_of(event: Event, *, step: str = "tests", cause: UUID | None = None) -> Message:
    """A record as an edge would write it; with a cause, as the step that decided about it."""
    envelope = first_envelope(
        event_id=uuid4(),
        idempotency_id=uuid4(),
        source=f"titan/consumers/{step}",
        now=SystemClock().now(),
        traceparent=None,
    )
    return encode(event, envelope._replace(causation_id=cause))


@dataclass
class Place:
    """Where the test's log and tables are."""

    settings: Settings
    publisher: KafkaPublisher
    owner: "asyncpg.Connection[asyncpg.Record]"
    """The tables' owner, who may do what no process of the house may."""

    @property
    def bootstrap(self) -> str:
        assert self.settings.kafka_bootstrap is not None
        return self.settings.kafka_bootstrap

    @property
    def prefix(self) -> str:
        return self.settings.topic_prefix

    @property
    def dsn(self) -> str:
        assert self.settings.postgres_dsn is not None
        return self.settings.postgres_dsn.get_secret_value()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TITAN_KAFKA_BOOTSTRAP": self.bootstrap,
            "TITAN_POSTGRES_DSN": self.dsn,
            "TITAN_TOPIC_PREFIX": self.prefix,
        }

    async def publish(self, *messages: Message) -> None:
        await self.publisher.publish(list(messages), deadline_s=60)

    async def tell(self, *events: Event) -> None:
        await self.publish(*map(message_of, events))

    async def litter(self, topic: str, kind: str, partition: int = 0) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        await litter(producer, topic_map()[topic], kind, partition=partition, prefix=self.prefix)
        await producer.stop()

    async def titan(self, *arguments: str, without: Sequence[str] = ()) -> tuple[int, Any]:
        """A command's exit code and its JSON, or what it said instead."""
        environment = {n: v for n, v in self.environment.items() if n not in without}
        result = await asyncio.to_thread(
            CliRunner().invoke, app, [*arguments, "--json"], env=environment
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr

    async def replay(self, projection: str, *options: str) -> tuple[int, Any]:
        """`titan replay` of one projection."""
        code, said = await self.titan("replay", "--projection", projection, *options)
        return code, said[0] if isinstance(said, list) else said

    @asynccontextmanager
    async def living(self, *stages: str) -> AsyncIterator[None]:
        """These stages at work, as their processes would be."""
        async with AsyncExitStack() as stack:
            for stage in stages:
                build = import_module(f"consumers.{stage}.app").build
                application = stage_app(stage, build, self.settings)
                await application.start()
                stack.push_async_callback(application.stop)
            yield

    async def until_done(self, *stages: str) -> None:
        """Wait until these stages have committed all that lies on their topics."""

        async def done() -> bool:
            for stage in stages:
                committed = await self.committed(group_of(stage))
                for place, end in (await self.ends(stage)).items():
                    assert committed.get(place, 0) >= end, f"{stage} is not done with {place}"
            return True

        await eventually(done, 30)

    async def ends(self, stage: str | None = None) -> dict[TopicPartition, int]:
        """Where topics end: those that a stage reads, or all of the map and their dead letters."""
        topics = topic_map().topics if stage is None else topic_map().of_group(group_of(stage))
        names = [(topic.name, topic.partitions) for topic in topics]
        if stage is None:
            names += list(dead_letter_topics(topic_map()).items())
        places = [TopicPartition(self.prefix + n, i) for n, count in names for i in range(count)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        try:
            found: dict[TopicPartition, int] = await consumer.end_offsets(places)
            return found
        finally:
            await consumer.stop()

    async def committed(self, group: str) -> Mapping[TopicPartition, int]:
        async with self.admin() as admin:
            found = await admin.list_consumer_group_offsets(self.prefix + group)
            return {place: position.offset for place, position in found.items()}

    async def groups(self) -> set[str]:
        async with self.admin() as admin:
            found = {name for name, _ in await admin.list_consumer_groups()}
            # Other tests of this run have groups on the same broker, which come and go.
            return {name for name in found if name.startswith(self.prefix)}

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """What retention does: the broker removes records from the beginning."""
        async with self.admin() as admin:
            await admin.delete_records(
                {place: RecordsToDelete(before_offset=offset) for place, offset in before.items()}
            )

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def rows(self, table: str) -> set[tuple[Any, ...]]:
        return {tuple(row) for row in await self.owner.fetch(f"SELECT * FROM {table}")}
