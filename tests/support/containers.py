"""The three servers as Docker containers: TITAN_TEST_SERVERS=docker."""

import docker  # type: ignore[import-untyped]  # ships no types
from docker.errors import DockerException  # type: ignore[import-untyped]  # likewise
from testcontainers.core.container import DockerContainer

from titan.servers import ServerStartError
from titan.servers.ports import LOOPBACK, free_port

# The versions that docker-compose.yml pins.
POSTGRES_IMAGE = "postgres:18"
REDIS_IMAGE = "redis:8"
KAFKA_IMAGE = "apache/kafka:4.2.0"


class Containers:
    """PostgreSQL, Redis and Kafka, each in a container on a port of loopback."""

    def __init__(self) -> None:
        self._kafka_port = free_port()
        self._postgres_port = free_port()
        self._redis_port = free_port()
        self._started: list[DockerContainer] = []

    def start(self) -> dict[str, str]:
        """Start all three; their addresses by the name that ServerPlan gives them."""
        try:
            docker.from_env().ping()
        except DockerException as error:
            raise ServerStartError(
                "TITAN_TEST_SERVERS=docker, but no Docker daemon answers. Start Docker, or unset "
                "TITAN_TEST_SERVERS to run the tests on embedded servers."
            ) from error
        try:
            for container in (self._postgres(), self._redis(), self._kafka()):
                self._started.append(container)
                container.start()
        except BaseException:
            self.stop()
            raise
        return {
            "kafka_bootstrap": f"{LOOPBACK}:{self._kafka_port}",
            "postgres_dsn": f"postgresql://postgres:titan@{LOOPBACK}:{self._postgres_port}/postgres",
            "redis_url": f"redis://{LOOPBACK}:{self._redis_port}/0",
        }

    def stop(self) -> None:
        """Remove the containers."""
        while self._started:
            self._started.pop().stop()

    def _postgres(self) -> DockerContainer:
        container = DockerContainer(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", "titan")
        return container.with_bind_ports(5432, self._postgres_port)

    def _redis(self) -> DockerContainer:
        return DockerContainer(REDIS_IMAGE).with_bind_ports(6379, self._redis_port)

    def _kafka(self) -> DockerContainer:
        # The advertised address must be known before the start, so the host's port is fixed.
        variables = {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{self._kafka_port}",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "8",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        }
        container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, self._kafka_port)
        return container.with_envs(**variables)
