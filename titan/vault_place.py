"""Opens the vault for a command: beside a running Titan, or as the environment says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from producers.auth.events import OPERATOR
from runtime.audit import write_act
from runtime.clock import Clock, SystemClock
from runtime.database import Connection, Database
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.vault import Vault, connect_vault
from schemas.audit import StaffActed
from titan.endpoints import connected_settings


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """What the commands about keys and people work with."""

    settings: Settings
    vault: Vault
    database: Database
    clock: Clock

    async def write_act(self, connection: Connection, action: str, about: str) -> None:
        """Write down what an operator does by a command, as staff's acts are."""
        act_id = self.clock.random_id()
        act = StaffActed(
            request_id=act_id,
            requested_at=self.clock.now(),
            actor=OPERATOR,
            action=action,
            about=about,
            http_request_id=f"titan:{act_id}",
        )
        await write_act(connection, act)

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[KafkaPublisher]:
        """A publisher, for as long as the block."""
        bootstrap = self.settings.kafka_bootstrap
        assert bootstrap is not None
        publisher = KafkaPublisher(
            bootstrap, prefix=self.settings.topic_prefix, settings=self.settings, role="forget"
        )
        await publisher.start()
        try:
            yield publisher
        finally:
            await publisher.stop()


@asynccontextmanager
async def open_vault(*, with_log: bool = False) -> AsyncIterator[VaultPlace]:
    """Connect, with Kafka's address too where the log is needed; Unavailable says what helps."""
    needed = ("postgres_dsn", "kafka_bootstrap") if with_log else ("postgres_dsn",)
    settings = connected_settings(needed=needed)
    assert settings.postgres_dsn is not None
    clock = SystemClock()
    vault = await connect_vault(settings, name="keys", clock=clock)
    try:
        database = await Database.connect(
            settings.postgres_dsn.get_secret_value(), name="keys", size=2
        )
        try:
            yield VaultPlace(settings, vault, database, clock)
        finally:
            await database.close()
    finally:
        await vault.close()
