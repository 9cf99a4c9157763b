"""Handle Resolution in this process, and how to ask it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import FastAPI
from starlette.requests import Request

from consumers.account_opening.decide import decide_batch
from consumers.account_opening.store import PostgresAccounts
from producers.handles.app import make_app
from runtime.database import Database
from runtime.http.caller import Caller, Kind
from runtime.publisher import MemoryPublisher
from runtime.settings import Settings
from runtime.unit import PostgresUnits
from tests.support.alone import resources_alone, settings_alone
from tests.support.asgi import Answer, call, running
from tests.support.directory_events import opening_requested

PATIENCE = "wait=10"
"""A stage that has just begun, on a busy machine, may take longer than a client would wait."""

CLIENT_HEADER = "test-client"


async def client_of(request: Request) -> Caller:
    """The client that the test names; demo if it names none."""
    return Caller(request.headers.get(CLIENT_HEADER, "demo"), Kind.DEMO)


@dataclass
class Edge:
    """The application; `client` is who asks."""

    app: FastAPI
    client: str = "demo"

    def as_client(self, client: str) -> "Edge":
        """The same application, asked by another client."""
        return Edge(self.app, client)

    async def resolve(self, handle: str) -> Answer:
        """Look a handle up."""
        return await self.ask("GET", f"/handles/resolve?handle={quote(handle, safe='')}")

    async def claim(
        self, handle: str, account_id: object, *, name: str = "Alice", key: str | None = None
    ) -> Answer:
        """Claim a handle."""
        body = {"handle": handle, "account_id": str(account_id), "display_name": name}
        return await self._insist("POST", "/handles", body, key=key)

    async def port(self, handle: str, account_id: object, *, key: str | None = None) -> Answer:
        """Port a handle."""
        body = {"account_id": str(account_id)}
        return await self._insist("POST", f"/handles/{handle}/port", body, key=key)

    async def release(self, handle: str, *, key: str | None = None) -> Answer:
        """Release a handle."""
        return await self._insist("DELETE", f"/handles/{handle}", None, key=key)

    async def _insist(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, key: str | None
    ) -> Answer:
        """Ask under one key until the outcome is known, as a client should."""
        key = key or str(uuid4())
        while True:
            answer = await self.ask(method, path, body, key=key, prefer=PATIENCE)
            if answer.status != 503:
                return answer

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        prefer: str | None = None,
    ) -> Answer:
        """Any request; a body goes as JSON."""
        headers = [(CLIENT_HEADER, self.client)]
        if body is not None:
            headers.append(("content-type", "application/json"))
        if key is not None:
            headers.append(("idempotency-key", key))
        if prefer is not None:
            headers.append(("prefer", prefer))
        chunks = [b"" if body is None else json.dumps(body).encode()]
        return await call(self.app, method, path, headers=headers, chunks=chunks)


@asynccontextmanager
async def edge_at(settings: Settings) -> AsyncIterator[Edge]:
    """The edge on the servers that the settings name."""
    async with running(make_app(settings, authenticator=client_of)) as app:
        yield Edge(app)


@asynccontextmanager
async def edge_alone(**changes: Any) -> AsyncIterator[tuple[Edge, MemoryPublisher]]:
    """The edge over a log in memory; no broker, database or cache answers."""
    log = MemoryPublisher()
    app = make_app(
        settings_alone(**changes), authenticator=client_of, resources=resources_alone(log)
    )
    async with running(app):
        yield Edge(app), log


async def open_account(database: Database, *, client: str = "demo", currency: str = "USD") -> UUID:
    """An account that stands in the projection."""
    request = opening_requested(uuid4(), account_id=uuid4(), client_id=client, currency=currency)
    async with PostgresUnits(database).begin() as unit:
        await PostgresAccounts().add(unit, decide_batch([request], {}).opened)
    return request.account_id
