"""Webhooks in on real servers, a provider's key server, and who sends."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI

from producers.inbound.app import make_app
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.settings import Settings
from runtime.vault import connect_vault
from schemas.inbound import InboundReceived
from tests.producers.inbound.senders import PlaidSigner
from tests.support.asgi import Answer, call, running
from tests.support.records import records_of

RECEIVED = InboundReceived.TOPIC
TABLE = Path(__file__).parents[3] / "inbound.yaml"


@dataclass
class KeyServer:
    """`/webhook_verification_key/get` of a provider, over HTTP, counting what it is asked."""

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int | None = None
    answer: bytes | None = None
    url: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["KeyServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}/webhook_verification_key/get"
            yield self

    def add(self, signer: PlaidSigner, *, expired_at: int | None = None) -> None:
        self.keys[signer.kid] = signer.jwk(expired_at=expired_at)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        [length] = [
            int(line.partition(":")[2])
            for line in head.splitlines()
            if line.lower().startswith("content-length")
        ]
        question = json.loads(await reader.readexactly(length))
        assert head.startswith("POST /webhook_verification_key/get ")
        assert (question["client_id"], question["secret"]) == ("client-id", "0123456789abcdef")
        self.asked.append(question["key_id"])
        key = self.keys.get(question["key_id"])
        status = self.status or (400 if key is None else 200)
        body = (
            self.answer
            or json.dumps(
                {"error_code": "NOT_FOUND"} if key is None else {"key": key, "request_id": "r"}
            ).encode()
        )
        head = f"HTTP/1.1 {status} x\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@dataclass
class Door:
    """One process of the edge, and how to send to it."""

    app: FastAPI
    plaid: PlaidSigner
    keys: KeyServer

    async def send(
        self,
        provider: str,
        body: bytes,
        headers: Mapping[str, str] | Sequence[tuple[str, str]],
        *,
        method: str = "POST",
    ) -> Answer:
        """A webhook, byte for byte."""
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        named = [(name.lower(), value) for name, value in pairs]
        named.append(("content-type", "application/json"))
        return await call(self.app, method, f"/inbound/{provider}", headers=named, chunks=[body])


@dataclass
class Place:
    """Servers, and topics of this room's own."""

    settings: Settings
    folder: Path

    @asynccontextmanager
    async def door(self, **changes: Any) -> AsyncIterator[Door]:
        """A process of the edge whose table names a key server of this test's."""
        async with KeyServer().running() as keys:
            table = yaml.safe_load(TABLE.read_text("utf-8"))
            table["providers"]["plaid"]["rule"]["key_url"] = keys.url
            path = self.folder / "inbound.yaml"
            path.write_text(yaml.safe_dump(table), "utf-8")
            settings = self.settings.model_copy(update={"inbound_file": path, **changes})
            signer = PlaidSigner()
            keys.add(signer)
            async with running(make_app(settings)) as app:
                yield Door(app, signer, keys)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """A connection pool of the test's own."""
        assert self.settings.postgres_dsn is not None
        dsn = self.settings.postgres_dsn.get_secret_value()
        database = await Database.connect(dsn, name="tests")
        yield database
        await database.close()

    async def logged(self) -> list[dict[str, Any]]:
        """The values of all records of inbound.received, with their headers under `headers`."""
        records = await records_of(self.settings, RECEIVED)
        return [json.loads(record.value) | {"headers": dict(record.headers)} for record in records]

    async def opened(self, sealed: str, purpose: str) -> str:
        """What the house's vault reads."""
        vault = await connect_vault(self.settings, name="tests", clock=SystemClock())
        try:
            return vault.open(sealed, purpose)
        finally:
            await vault.close()
