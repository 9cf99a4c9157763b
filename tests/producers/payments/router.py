"""A Payment Router in this process, and how to ask it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from producers.payments.app import make_app
from runtime.publisher import MemoryPublisher, Publisher
from schemas.event import Delivered, Position
from schemas.payment import PaymentRequested
from schemas.wire import Message, decode
from tests.support.alone import resources_alone, settings_alone
from tests.support.asgi import Answer, Headers, call, running

BODY: dict[str, Any] = {
    "from_handle": "alice",
    "to_handle": "bob",
    "amount": 1000,
    "currency": "USD",
    "payment_type": "WALLET",
    "description": "Test payment",
}
"""The seed's own."""

JSON = ("content-type", "application/json")


@dataclass
class Router:
    """The application and the log it writes to."""

    app: FastAPI
    log: MemoryPublisher

    async def post(
        self,
        body: Mapping[str, Any] = BODY,
        *,
        key: str | None = None,
        path: str = "/payments",
        headers: Headers = (),
    ) -> Answer:
        """POST a body as JSON."""
        sent = [JSON, *headers]
        if key is not None:
            sent.append(("idempotency-key", key))
        return await call(self.app, "POST", path, headers=sent, chunks=[json.dumps(body).encode()])

    async def get(self, path: str, *, headers: Headers = ()) -> Answer:
        """GET a path."""
        return await call(self.app, "GET", path, headers=headers)


@asynccontextmanager
async def router_in_memory(
    publisher: Publisher | None = None, **changes: Any
) -> AsyncIterator[Router]:
    """A router that publishes into memory, or by `publisher`; `changes` are settings.

    Everything else is down: no broker, database or cache answers.
    """
    log = MemoryPublisher()
    resources = resources_alone(publisher or log)
    async with running(make_app(settings_alone(**changes), resources=resources)) as app:
        yield Router(app, log)


def understood(message: Message) -> Delivered[PaymentRequested]:
    """What the first stage makes of a record."""
    return decode(
        PaymentRequested,
        Position(message.topic, 0, 0),
        key=message.key,
        value=message.value,
        headers=message.headers,
    )


class Door(MemoryPublisher):
    """A publisher that opens when told, and may then fail."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = asyncio.Event()
        self.failure: BaseException | None = None
        self.was_called = asyncio.Event()
        self.calls = 0

    async def publish(self, messages: Sequence[Message], *, deadline_s: float) -> None:
        self.calls += 1
        self.was_called.set()
        await self.is_open.wait()
        if self.failure is not None:
            raise self.failure
        await super().publish(messages, deadline_s=deadline_s)
