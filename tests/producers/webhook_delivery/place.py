"""The tables of webhooks on PostgreSQL: endpoints, planned events and pools of the test's own."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from domain.webhook import SECRET_PURPOSE, URL_PURPOSE
from producers.webhook_delivery.pool import DeliveryPool, open_pool
from projections.webhook_events import plan
from projections.webhook_fold import ToldEvent
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.settings import Settings
from runtime.standard_webhooks import Scheme, WebhookSecret, new_secret
from runtime.vault import Vault, load_vault
from tests.support.sink import Answering, Sink, open_sink

EARLY = timedelta(hours=1)


class SteppedClock(SystemClock):
    """The machine's clock, put forward as a test wants it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@dataclass(frozen=True)
class Endpoint:
    endpoint_id: UUID
    client_id: str
    secret: WebhookSecret


@dataclass
class Place:
    settings: Settings
    database: Database
    clock: SteppedClock = field(default_factory=SteppedClock)
    secrets: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def sink(self, answer: Answering | None = None) -> AsyncIterator[Sink]:
        """A receiver; each delivery to it must be signed by a secret of this place."""
        async with open_sink(answer) as sink:
            yield sink
        for received in sink.received:
            assert any(received.signed_by(secret) for secret in self.secrets)

    @property
    def vault(self) -> Vault:
        return load_vault(self.settings)

    async def endpoint(
        self,
        url: str,
        *,
        client_id: str | None = None,
        event_types: Sequence[str] = (),
        is_ordered: bool = False,
        rate_per_s: int | None = None,
        scheme: Scheme = Scheme.V1,
    ) -> Endpoint:
        """An endpoint that was made an hour ago."""
        made = Endpoint(uuid4(), client_id or f"client-{uuid4().hex}", new_secret(scheme))
        sealed = self.vault.seal(url, f"{URL_PURPOSE}:{made.endpoint_id}")
        async with self.database.connection() as connection:
            await connection.execute(
                "INSERT INTO webhook_endpoints (endpoint_id, client_id, url_sealed, event_types,"
                " is_ordered, rate_per_s, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                *(made.endpoint_id, made.client_id, sealed, list(event_types)),
                *(is_ordered, rate_per_s, self.clock.now() - EARLY),
            )
        await self.add_secret(made, made.secret)
        return made

    async def add_secret(
        self, endpoint: Endpoint, secret: WebhookSecret, expires_at: datetime | None = None
    ) -> None:
        self.secrets.append(secret.shown)
        purpose = f"{SECRET_PURPOSE}:{endpoint.endpoint_id}"
        async with self.database.connection() as connection:
            await connection.execute(
                "INSERT INTO webhook_secrets VALUES"
                " ($1, $2, $3, $4, COALESCE($5::timestamptz, 'infinity'))",
                *(uuid4(), endpoint.endpoint_id, self.vault.seal(secret.kept, purpose)),
                *(self.clock.now(), expires_at),
            )

    async def tell(
        self,
        client_id: str | None,
        *,
        event_type: str = "payment.posted.v1",
        subject: UUID | None = None,
        rank: int | None = None,
        started_ago: timedelta = timedelta(),
        count: int = 1,
    ) -> list[ToldEvent]:
        """Plan events as the stage does."""
        now = self.clock.now()
        events: list[ToldEvent] = []
        for _ in range(count):
            event_id, about = uuid4(), subject or uuid4()
            events.append(
                ToldEvent(
                    event_id=event_id,
                    client_id=client_id,
                    event_type=event_type,
                    subject=about,
                    rank=rank,
                    started_at=now - started_ago,
                    occurred_at=now,
                    topic=event_type,
                    partition=0,
                    offset=len(events),
                    body=json.dumps({"id": str(event_id), "type": event_type}),
                )
            )
        async with self.database.connection() as connection:
            await plan(connection, events, now)
        return events

    @asynccontextmanager
    async def pool(self) -> AsyncIterator[DeliveryPool]:
        """A process's part of the pool; the test turns it by hand."""
        async with open_pool(self.settings, clock=self.clock) as pool:
            yield pool

    async def deliveries(self, endpoint: Endpoint) -> list[Any]:
        async with self.database.connection() as connection:
            return list(
                await connection.fetch(
                    "SELECT * FROM webhook_deliveries WHERE endpoint_id = $1"
                    " ORDER BY created_at, delivery_id",
                    endpoint.endpoint_id,
                )
            )

    async def attempts(self, delivery_id: UUID) -> list[Any]:
        async with self.database.connection() as connection:
            return list(
                await connection.fetch(
                    "SELECT * FROM webhook_attempts WHERE delivery_id = $1 ORDER BY attempt",
                    delivery_id,
                )
            )

    async def row(self, endpoint: Endpoint) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchrow(
                "SELECT * FROM webhook_endpoints WHERE endpoint_id = $1", endpoint.endpoint_id
            )

    async def execute(self, statement: str, *arguments: Any) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)


async def settle(pool: DeliveryPool) -> None:
    """Turn until nothing is due and nothing on its way."""
    quiet = 0
    while quiet < 3:
        quiet = 0 if await pool.round() or pool._attempts else quiet + 1
        await asyncio.sleep(0.005)
