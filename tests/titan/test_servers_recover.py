"""A killed server comes back with everything it had acknowledged."""

from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from titan.servers import Kafka, Postgres

pytestmark = [pytest.mark.real, pytest.mark.storm, pytest.mark.timeout(60)]


async def test_postgres_keeps_what_it_committed_before_a_kill(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    await server.start()
    try:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE TABLE kept (value int)")
        await connection.execute("INSERT INTO kept VALUES (7)")
        server.kill()
        connection.terminate()

        await server.start()

        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT value FROM kept") == 7
        await connection.close()
    finally:
        await server.stop()


async def test_kafka_keeps_what_it_acknowledged_before_a_kill(tmp_path: Path) -> None:
    server = Kafka(tmp_path / "kafka")
    await server.start()
    try:
        admin = AIOKafkaAdminClient(bootstrap_servers=server.url)
        await admin.start()
        await admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
        await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=server.url, acks="all")
        await producer.start()
        await producer.send_and_wait("kept", b"seven", partition=0)
        await producer.stop()
        server.kill()

        await server.start()

        consumer = AIOKafkaConsumer(bootstrap_servers=server.url)
        await consumer.start()
        partition = TopicPartition("kept", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        assert (await consumer.getone()).value == b"seven"
        await consumer.stop()
    finally:
        await server.stop()
