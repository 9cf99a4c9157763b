"""Users on real servers, with topics, a database and folders of the test's own."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from faststream import FastStream
from starlette.requests import Request

from consumers.account_freezing.app import build as build_freezing
from consumers.account_opening.app import build as build_opening
from consumers.handle_directory.app import build as build_directory
from consumers.ledger_posting.app import build as build_posting
from consumers.risk_screening.app import build as build_screening
from domain.client import client_of, person_of
from producers.users.app import make_app
from runtime.app import stage_app
from runtime.database import Database
from runtime.http.caller import Caller, Kind
from runtime.settings import Settings
from tests.support.asgi import Answer, Headers, call, running
from tests.support.records import records_of

BUILDS = {
    "account_freezing": build_freezing,
    "account_opening": build_opening,
    "handle_directory": build_directory,
    "risk_screening": build_screening,
    "ledger_posting": build_posting,
}


async def caller_of(request: Request) -> Caller:
    """The caller that the test names, staff if it names roles."""
    client_id = request.headers["test-client"]
    roles = frozenset(request.headers.get("test-roles", "").split())
    return Caller(
        client_id,
        Kind.ADMIN if roles else Kind.PERSON,
        person_id=person_of(client_id),
        session_id=uuid4(),
        roles=roles,
    )


@dataclass(frozen=True)
class Somebody:
    """Who asks."""

    app: FastAPI
    person_id: UUID
    roles: tuple[str, ...] = ()

    @property
    def client_id(self) -> str:
        return client_of(self.person_id)

    def other(self, *roles: str) -> "Somebody":
        """Somebody else who asks the same edge."""
        return replace(self, person_id=uuid4(), roles=roles)

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        content_type: str = "application/json",
        headers: Headers = (),
        chunks: Sequence[bytes] | None = None,
    ) -> Answer:
        """Any request; a mapping goes as JSON."""
        given = [("test-client", self.client_id), ("test-roles", " ".join(self.roles)), *headers]
        raw = b""
        if body is not None or chunks is not None:
            given.append(("content-type", content_type))
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await call(self.app, method, path, headers=given, chunks=chunks or [raw])

    async def get(self, path: str) -> Any:
        """What stands there."""
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.document

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What became of it; the answer is no error."""
        answer = await self.ask("POST", path, body)
        assert answer.status < 300, answer
        return answer.document if answer.body else None

    async def send(self, document: bytes, media_type: str, *, kind: str = "passport") -> Answer:
        """Send a document."""
        path = f"/users/me/kyc/documents?kind={kind}"
        return await self.ask("POST", path, document, content_type=media_type)


@dataclass
class Place:
    """Servers, and topics of this test's own."""

    settings: Settings

    @property
    def folder(self) -> Path:
        return self.settings.data_directory

    @asynccontextmanager
    async def edge(self, **changes: Any) -> AsyncIterator[Somebody]:
        """An edge process of its own, asked by a new person."""
        settings = self.settings.model_copy(update=changes)
        async with running(make_app(settings, authenticator=caller_of)) as app:
            yield Somebody(app, uuid4())

    @asynccontextmanager
    async def stages(self, *names: str) -> AsyncIterator[None]:
        """These stages work while the block runs."""
        async with AsyncExitStack() as stack:
            for name in names:
                app = stage_app(name, BUILDS[name], self.settings)
                await stack.enter_async_context(_started(app))
            yield

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """A connection pool of the test's own."""
        assert self.settings.postgres_dsn is not None
        dsn = self.settings.postgres_dsn.get_secret_value()
        database = await Database.connect(dsn, name="tests")
        yield database
        await database.close()

    async def let_sign_in(self, somebody: Somebody) -> None:
        """What registering leaves behind, as far as staff has to do with it."""
        async with self.database() as database, database.connection() as connection:
            await connection.execute(
                "INSERT INTO auth_users (user_id, email_index, registered_at)"
                " VALUES ($1, $1::uuid::text, now())",
                somebody.person_id,
            )

    def code_of(self, somebody: Somebody, kind: str) -> str:
        """The code that was sent."""
        path = self.folder / "codes" / f"{somebody.person_id}.{kind}.txt"
        assert path.stat().st_mode & 0o777 == 0o600
        return path.read_text("ascii").strip()

    async def told(self, topic: str, about: Somebody) -> list[dict[str, Any]]:
        """The values of a topic's records about somebody so far, in the order of the log."""
        return await self.told_of(topic, str(about.person_id))

    async def told_of(self, topic: str, named: str) -> list[dict[str, Any]]:
        """The values of a topic's records that name an id, in the order of the log."""
        records = await records_of(self.settings, topic)
        return [json.loads(each.value) for each in records if named.encode() in each.value]


@asynccontextmanager
async def _started(app: FastStream) -> AsyncIterator[None]:
    await app.start()
    try:
        yield
    finally:
        await app.stop()
