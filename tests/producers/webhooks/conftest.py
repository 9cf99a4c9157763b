"""The edge of webhooks over a database of the worker's own."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.requests import Request

from producers.webhooks.app import make_app
from runtime.http.caller import Caller, Kind
from runtime.settings import Settings
from tests.support.asgi import Answer, call, running
from titan.servers import Endpoints


async def client_of(request: Request) -> Caller:
    return Caller(request.headers["test-client"], Kind.DEMO)


@dataclass(frozen=True)
class Webhooks:
    """The edge as one client asks it."""

    app: FastAPI
    client_id: str

    def other(self) -> "Webhooks":
        return replace(self, client_id=f"client-{uuid4().hex}")

    async def ask(
        self, method: str, path: str, body: Any = None, *, if_match: str | None = None
    ) -> Answer:
        headers = [("test-client", self.client_id)]
        if body is not None:
            headers.append(("content-type", "application/json"))
        if if_match is not None:
            headers.append(("if-match", if_match))
        chunks = [b"" if body is None else json.dumps(body).encode()]
        return await call(self.app, method, path, headers=headers, chunks=chunks)

    async def make(self, **body: Any) -> dict[str, Any]:
        answer = await self.ask(
            "POST", "/webhooks/endpoints", {"url": "https://hooks.example.com/a", **body}
        )
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.document
        return made


@pytest.fixture
def settings(endpoints: Endpoints, database_dsn: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=SecretStr(database_dsn),
        redis_url=SecretStr(redis_url),
        vault_key=SecretStr("A" * 43 + "="),
        data_directory=tmp_path,
    )


@pytest.fixture
async def webhooks(settings: Settings) -> AsyncIterator[Webhooks]:
    async with running(make_app(settings, authenticator=client_of)) as app:
        yield Webhooks(app, f"client-{uuid4().hex}")
