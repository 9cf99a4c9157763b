"""Auth over real servers, asked as a person's program would ask it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from fastapi import FastAPI

from producers.auth.app import make_app
from producers.auth.edge import AuthEdge
from runtime.settings import Settings
from tests.support.asgi import Answer, call, running
from tests.support.waiting import eventually

PASSWORD = "correct horse battery"
CHEAP = 4
"""bcrypt's least cost."""


def some_email() -> str:
    return f"{uuid4().hex}@example.com"


def some_address() -> str:
    """An address that no other test calls from."""
    number = uuid4().int
    return f"10.{number % 250}.{number // 250 % 250}.{number // 62_500 % 250}"


@dataclass
class Auth:
    """The application; `address` is where one calls from, `token` what one shows."""

    app: FastAPI
    address: str = field(default_factory=some_address)
    token: str | None = None

    @property
    def edge(self) -> AuthEdge:
        edge: AuthEdge = self.app.state.edge
        return edge

    def by(self, token: str) -> "Auth":
        return replace(self, token=token)

    def at(self, address: str) -> "Auth":
        return replace(self, address=address)

    async def post(self, path: str, **body: Any) -> Answer:
        return await self.ask("POST", path, body)

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def delete(self, path: str) -> Answer:
        return await self.ask("DELETE", path)

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        headers = [] if body is None else [("content-type", "application/json")]
        if self.token is not None:
            headers.append(("authorization", f"Bearer {self.token}"))
        chunks = [b"" if body is None else json.dumps(body).encode()]

        async def answered() -> Answer:
            answer = await call(
                self.app, method, path, headers=headers, chunks=chunks, client_host=self.address
            )
            # Topics were created a moment ago: who is believed no more cannot be told yet.
            assert self.token is None or answer.status != 503
            return answer

        return await eventually(answered, timeout_s=30)

    async def form(self, path: str, raw: str, **headers: str) -> Answer:
        listed = [("content-type", "application/x-www-form-urlencoded"), *headers.items()]
        return await call(
            self.app,
            "POST",
            path,
            headers=listed,
            chunks=[raw.encode()],
            client_host=self.address,
        )

    async def register(self, email: str, password: str = PASSWORD) -> Answer:
        return await self.post(
            "/auth/register", email=email, password=password, display_name="Alice"
        )

    async def login(self, email: str, password: str = PASSWORD, **more: Any) -> Answer:
        return await self.post("/auth/login", email=email, password=password, **more)

    async def somebody(self) -> "Person":
        """A person who has just registered and signed in."""
        email = some_email()
        registered = await self.register(email)
        assert registered.status == 201, registered.body
        answer = await self.login(email)
        assert answer.status == 200, answer.body
        return Person(
            email, registered.document["user_id"], answer.document, self.by_answer(answer)
        )

    def by_answer(self, answer: Answer) -> "Auth":
        return self.by(answer.document["access_token"])


@dataclass
class Person:
    """Somebody, the tokens of their first sign-in, and the edge as they ask it."""

    email: str
    user_id: str
    tokens: dict[str, Any]
    auth: Auth


@asynccontextmanager
async def auth_at(settings: Settings) -> AsyncIterator[Auth]:
    """The edge on the servers that the settings name."""
    async with running(make_app(settings)) as app:
        yield Auth(app)
