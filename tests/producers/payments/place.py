"""The Payment Router on real servers, with topics and a database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from faststream import FastStream
from starlette.requests import Request

from consumers.account_opening.app import build as build_account_opening
from consumers.payment_projection.app import build as build_projection
from producers.payments.app import make_app
from projections.payments import read_payment
from runtime.app import stage_app
from runtime.database import Database
from runtime.http.caller import Caller, Kind
from runtime.publisher import KafkaPublisher, MemoryPublisher
from runtime.settings import Settings
from schemas.event import Event
from schemas.payment import PaymentRequested
from schemas.wire import first_message
from tests.producers.payments.router import Router
from tests.support.asgi import running
from tests.support.records import records_of
from tests.support.waiting import eventually

REQUESTED = PaymentRequested.TOPIC


async def client_of(request: Request) -> Caller:
    """The client that the test names; demo if it names none."""
    return Caller(request.headers.get("test-client", "demo"), Kind.DEMO)


@dataclass
class Place:
    """Servers, and topics of this test's own."""

    settings: Settings

    @asynccontextmanager
    async def router(self, **changes: Any) -> AsyncIterator[Router]:
        """An edge process of its own, with some settings changed."""
        settings = self.settings.model_copy(update=changes)
        async with running(make_app(settings, authenticator=client_of)) as app:
            yield Router(app, MemoryPublisher())

    @asynccontextmanager
    async def projection(self) -> AsyncIterator[None]:
        """The projection keeps up while the block runs."""
        async with self._stage(stage_app("payment_projection", build_projection, self.settings)):
            yield

    @asynccontextmanager
    async def account_opening(self) -> AsyncIterator[None]:
        """Accounts are opened while the block runs."""
        app = stage_app("account_opening", build_account_opening, self.settings)
        async with self._stage(app):
            yield

    @asynccontextmanager
    async def _stage(self, app: FastStream) -> AsyncIterator[None]:
        await app.start()
        try:
            yield
        finally:
            await app.stop()

    async def requested(self, payment_id: str) -> list[str]:
        """The event id of each payment.requested record of this payment."""
        headers = [dict(record.headers) for record in await records_of(self.settings, REQUESTED)]
        return [
            attributes["ce_id"].decode()
            for attributes in headers
            if attributes["ce_subject"].decode() == payment_id
        ]

    async def projected(self, payment_id: str, *, client_id: str = "demo") -> None:
        """Return once the projection has the payment."""
        async with self.database() as database:

            async def is_there() -> bool:
                async with database.connection() as connection:
                    found = await read_payment(connection, UUID(payment_id), client_id=client_id)
                return found is not None

            await eventually(is_there)

    async def publish(self, *events: Event, at: datetime) -> None:
        """Put events on their topics, as a stage would."""
        async with AsyncExitStack() as stack:
            publisher = self._publisher()
            await publisher.start()
            stack.push_async_callback(publisher.stop)
            messages = []
            for event in events:
                event_id = uuid5(event.subject, event.TOPIC)
                messages.append(
                    first_message(
                        event, event_id=event_id, source="tests", now=at, traceparent=None
                    )
                )
            await publisher.publish(messages, deadline_s=10)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """A connection pool of the test's own."""
        assert self.settings.postgres_dsn is not None
        dsn = self.settings.postgres_dsn.get_secret_value()
        database = await Database.connect(dsn, name="tests")
        yield database
        await database.close()

    def _publisher(self) -> KafkaPublisher:
        assert self.settings.kafka_bootstrap is not None
        return KafkaPublisher(
            self.settings.kafka_bootstrap,
            prefix=self.settings.topic_prefix,
            settings=self.settings,
            role="tests",
        )
