"""Notifications on a real PostgreSQL, with carriers of the test's; only the tables are shared."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from pydantic import SecretStr

from consumers.notifications.app import build
from domain.client import client_of, person_of
from domain.notification import Channel
from domain.notification_plan import Delivery
from producers.notifications import deliveries
from producers.notifications.app import make_app
from producers.notifications.channels.port import Letter
from producers.notifications.courier import Courier
from producers.notifications.letters import Desk
from producers.notifications.names import DISPLAY_NAME_PURPOSE
from producers.notifications.templates import Templates
from producers.notifications.unsubscribing import Links
from runtime.app import Resources
from runtime.cache import Cache
from runtime.clock import Clock
from runtime.database import Database
from runtime.http.page import Cursors
from runtime.http.resources import EdgeResources
from runtime.inbox import PostgresInbox
from runtime.publisher import MemoryPublisher
from runtime.settings import Settings
from runtime.stage import StageRunner
from runtime.topics import topic_map
from runtime.unit import PostgresUnits
from runtime.vault import Binding, Vault
from schemas.event import Event
from schemas.payment import PaymentPosted
from tests.producers.notifications.hands import Hands
from tests.producers.notifications.parts import Basket, Door
from tests.support.asgi import Answer, Headers, call, running
from tests.support.memory_stage import NOW, RawRecord, message_of
from tests.support.vaults import memory_vault
from tests.support.waiting import eventually

DEMO = "demo"


@dataclass
class Person:
    """Somebody with an account."""

    place: "Place"
    client_id: str
    account_id: UUID
    handle: str

    @property
    def person_id(self) -> UUID:
        return UUID(self.client_id.removeprefix("user:"))

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        return await self.place.ask(self.client_id, method, path, body)

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.document

    async def told(self) -> list[dict[str, Any]]:
        """What they were told in the app, the newest first."""
        found: list[dict[str, Any]] = (await self.get("/notifications"))["data"]
        return found

    async def prefer(self, **wishes: Any) -> dict[str, Any]:
        answer = await self.ask("PUT", "/notifications/preferences", wishes)
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.document
        return found

    async def device(self, token: str | None = None, platform: str = "apns") -> UUID:
        body = {"platform": platform, "token": token or uuid4().hex * 2}
        answer = await self.ask("POST", "/devices", body)
        assert answer.status in {200, 201}, answer
        return UUID(answer.document["id"])

    async def verify_email(self, address: str) -> None:
        """As the users' edge keeps an address that was shown to be theirs."""
        binding = Binding("people_contacts", "email", self.person_id, self.person_id)
        [sealed] = await self.place.vault.seal_for(self.person_id, [(binding, address)])
        await self.place.execute(
            "INSERT INTO people (person_id, created_at) VALUES ($1, $2)", self.person_id, NOW
        )
        await self.place.execute(
            "INSERT INTO people_contacts (person_id, kind, address_sealed, address_index,"
            " verified_at) VALUES ($1, 'email', $2, $3, $4)",
            self.person_id,
            sealed,
            uuid4().hex * 2,
            NOW,
        )


class Place:
    """One stage, one edge, one courier, on one clock."""

    def __init__(self, database: Database, dsn: str) -> None:
        self.database = database
        self.clock = Hands()
        self.vault: Vault = memory_vault(bytes(32), clock=self.clock)
        self.settings = Settings(kafka_bootstrap="127.0.0.1:1", postgres_dsn=SecretStr(dsn))
        self.publisher = MemoryPublisher()
        self.baskets = {channel: Basket() for channel in Channel}
        self.courier = self.new_courier()
        self.door = Door()
        self._app: FastAPI | None = None
        self._offset = 0

    @asynccontextmanager
    async def edge(self) -> AsyncIterator[None]:
        """The edge runs for as long as the block, and carries nothing by itself."""
        app = make_app(self.settings, authenticator=self.door.caller_of, resources=self._resources)
        async with running(app) as self._app:
            yield

    @asynccontextmanager
    async def _resources(
        self, _: str, settings: Settings, __: Clock
    ) -> AsyncIterator[EdgeResources]:
        cache = Cache.at(None, prefix="", clock=self.clock)
        yield EdgeResources(
            settings=settings,
            clock=self.clock,
            database=self.database,
            publisher=self.publisher,
            cache=cache,
            vault=self.vault,
            cursors=Cursors(self.vault),
            checks=(),
        )
        await cache.close()

    def new_courier(self) -> Courier:
        desk = Desk(self.vault, Templates(), Links(self.vault, "https://titan.example"))
        return Courier(self.database, desk, self.baskets, clock=self.clock)

    async def person(self, client_id: str | None = None, *, name: str = "Ada Lovelace") -> Person:
        """A new person, with an account and a handle; of the demo, if it is named."""
        client_id = client_id or client_of(uuid4())
        person = Person(self, client_id, uuid4(), f"h{uuid4().hex[:20]}")
        await self.account(person.account_id, client_id)
        if person_of(client_id) is None:
            sealed: object = self.vault.seal(name, DISPLAY_NAME_PURPOSE)
        else:
            binding = Binding("handle", "display_name", person.handle, person.person_id)
            [sealed] = await self.vault.seal_for(person.person_id, [(binding, name)])
        await self.execute(
            "INSERT INTO directory_handles (handle, version, client_id, account_id, currency,"
            " display_name_sealed, requested_at) VALUES ($1, 1, $2, $3, 'USD', $4, $5)",
            person.handle,
            client_id,
            person.account_id,
            sealed,
            NOW,
        )
        return person

    async def account(self, account_id: UUID, client_id: str, kind: str = "wallet") -> None:
        await self.execute(
            "INSERT INTO accounts (account_id, client_id, kind, tier, currency, requested_at)"
            " VALUES ($1, $2, $3, 'verified', 'USD', $4)",
            account_id,
            client_id,
            kind,
            NOW,
        )

    async def known(self, event: PaymentPosted, payer: Person, payee: Person) -> None:
        """The payment as its projection has it: whom its handles name."""
        await self.execute(
            "INSERT INTO payments (payment_id, client_id, from_handle, to_handle,"
            " payer_account_id, payee_account_id) VALUES ($1, $2, $3, $4, $5, $6)",
            event.payment_id,
            payer.client_id,
            payer.handle,
            payee.handle,
            event.payer_account_id,
            event.payee_account_id,
        )

    async def plan(self, *events: Event) -> None:
        """The stage takes a batch, as a process that has just started."""
        runner = self._runner()
        letters = await runner.process([self._record(event) for event in events])
        assert letters == []

    async def plan_late(self, event: Event, *, hours: float) -> None:
        """The stage takes an event so long after it happened."""
        record = self._record(event)
        self.pass_time(hours=hours)
        assert await self._runner().process([record]) == []

    async def sweep(self) -> None:
        """What the courier does now and then."""
        async with self.database.connection() as connection:
            await deliveries.expire(connection, now=self.clock.now())

    async def add_delivery(self, delivery: Delivery) -> None:
        """One that no stage of today plans."""
        await self.execute(
            "INSERT INTO notification_deliveries (delivery_id, notification_id, person_id,"
            " channel, device_id, payment_id, rank, planned_at, due_at, expires_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            *delivery,
        )

    async def carry(self, channel: Channel = Channel.APNS) -> list[Letter]:
        """The letters of one look of the courier."""
        before = len(self.baskets[channel].letters)
        await self.courier.carry_once(channel)
        return self.baskets[channel].letters[before:]

    def pass_time(self, **duration: float) -> None:
        self.clock.pass_s(timedelta(**duration).total_seconds())

    async def execute(self, statement: str, *arguments: object) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        async with self.database.connection() as connection:
            return list(await connection.fetch(statement, *arguments))

    async def ends_of(self, person: Person) -> list[tuple[str, str | None]]:
        """State and reason of each of a person's deliveries, in the order of planning."""
        rows = await self.fetch(
            "SELECT state, reason FROM notification_deliveries WHERE person_id = $1"
            " ORDER BY planned_at, delivery_id",
            person.person_id,
        )
        return [(row["state"], row["reason"]) for row in rows]

    async def until_waited_for(self, client_id: str) -> None:
        """Somebody follows this client's notifications."""
        assert self._app is not None
        numbers = self._app.state.edge.numbers
        await eventually(lambda: client_id in numbers._waiters)

    async def ask(
        self,
        client_id: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Headers = (),
    ) -> Answer:
        assert self._app is not None
        given = [("test-client", client_id), *headers]
        if body is not None:
            given.append(("content-type", "application/json"))
        chunks = [b"" if body is None else json.dumps(body).encode()]
        return await call(self._app, method, path, headers=given, chunks=chunks)

    def _runner(self) -> StageRunner:
        return StageRunner(
            build(Resources(self.settings, self.clock, self.vault)),
            topics=topic_map(),
            prefix="",
            units=PostgresUnits(self.database),
            inbox=PostgresInbox(self.database),
            publisher=self.publisher,
            clock=self.clock,
        )

    def _record(self, event: Event) -> RawRecord:
        self._offset += 1
        message = message_of(event)
        occurred_at = self.clock.now().isoformat().encode()
        headers = [
            (name, occurred_at if name == "ce_time" else value) for name, value in message.headers
        ]
        return RawRecord(message.topic, 0, self._offset, message.key, message.value, headers)


def posted(payer: Person, payee: Person, amount_minor: int = 1_000, **more: Any) -> PaymentPosted:
    """A payment between two people."""
    fields: dict[str, Any] = {
        "payment_id": uuid4(),
        "accepted_at": NOW,
        "posting_id": uuid4(),
        "payer_account_id": payer.account_id,
        "payee_account_id": payee.account_id,
        "amount_minor": amount_minor,
        "currency": "USD",
    }
    return PaymentPosted(**(fields | more))
