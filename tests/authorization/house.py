"""Every edge on real servers, somebody of each kind to ask it, and objects that belong to one."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from fastapi import FastAPI
from starlette.requests import Request

from consumers.account_opening.app import build as build_account_opening
from consumers.handle_directory.app import build as build_handle_directory
from runtime.app import Resources, stage_app
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.http.access_token import AccessClaims, SigningKey, TokenVerifier, sign
from runtime.http.api_key import ApiKeys
from runtime.http.authentication import BearerAuthenticator, demo_authenticator
from runtime.http.caller import Caller, Role, Scope
from runtime.http.standing import StandingWatch
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.stage import Stage
from schemas.standing import Standing, StandingChanged, session_principal
from schemas.wire import first_message
from tests.support.asgi import Answer, call, call_stream, running
from tests.support.waiting import eventually

CLOCK = SystemClock()
KEY = SigningKey("tests", ec.generate_private_key(ec.SECP256R1()))
SHOP = "client:shop"
REVOKED = "client:revoked"
ON_DEMO = "test-on-demo"
Build = Callable[[Resources], Stage]

BUILDS: dict[str, Build] = {
    "account_opening": build_account_opening,
    "handle_directory": build_handle_directory,
}
PATIENT = {"prefer": "wait=10"}

PERSONAS = [
    *("anonymous", "demo", "owner", "other", "program", "unscoped", "misscoped", "suspended"),
    *("admin-readonly", "admin", "kyc-reviewer", "support", "expired", "revoked"),
    "revoked-program",
]


class OneKey:
    """The keys of a signer that has one."""

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        return KEY.private_key.public_key() if kid == KEY.kid else None


def client_of(person_id: UUID) -> str:
    return f"user:{person_id}"


def token_of(client_id: str, *, session_id: UUID | None = None, **changes: Any) -> str:
    """A token as the auth edge would sign it."""
    now = CLOCK.now()
    claims: dict[str, Any] = {
        "client_id": client_id,
        "session_id": session_id or uuid4(),
        "token_id": uuid4(),
        "issued_at": now,
        "expires_at": now + timedelta(minutes=10),
    }
    return sign(AccessClaims(**(claims | changes)), issuer=Settings().token_issuer, key=KEY)


@dataclass
class House:
    """All edges, and who asks them."""

    settings: Settings
    database: Database
    owner: UUID = field(default_factory=uuid4)
    tokens: dict[str, str] = field(default_factory=dict)
    apps: dict[str, FastAPI] = field(default_factory=dict)
    account_id: str = ""
    second_account_id: str = ""
    payer: str = ""
    kept: dict[str, str] = field(default_factory=dict)
    """What was made once and serves several requests, by its name."""

    async def ask(
        self,
        edge: str,
        persona: str,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask an edge as one of the personas, or with the token that is given in its place."""
        given = list((headers or {}).items())
        is_raw = isinstance(body, bytes)
        if body is not None and not is_raw:
            given.append(("content-type", "application/json"))
        if persona == "demo":
            given.append((ON_DEMO, "yes"))
        elif persona != "anonymous":
            given.append(("authorization", f"Bearer {self.tokens.get(persona, persona)}"))
        if path.endswith("/events"):
            return await call_stream(self.apps[edge], method, path, headers=given)
        raw = body if is_raw else b"" if body is None else json.dumps(body).encode()
        return await call(self.apps[edge], method, path, headers=given, chunks=[raw])

    def token_for(self, person_id: UUID) -> str:
        """Another person's token."""
        return token_of(client_of(person_id))

    async def own(
        self, edge: str, method: str, path: str, body: Any, *, persona: str = "owner"
    ) -> dict[str, Any]:
        """What the owner, or another of the personas, made."""
        headers = {"idempotency-key": str(uuid4()), **PATIENT}

        async def made() -> Answer:
            answer = await self.ask(edge, persona, method, path, body, headers)
            assert answer.status == 201, (path, answer)
            return answer

        # What is down or pending is asked for again, under the same key.
        answer = await eventually(made, timeout_s=60)
        document: dict[str, Any] = answer.document
        return document

    async def handle(self) -> str:
        """A handle of the owner's, claimed for this."""
        return str((await self.claim())["handle"])

    async def claim(self, *, persona: str = "owner", account_id: str = "") -> dict[str, Any]:
        """What became of a claim of a new handle."""
        body = {
            "handle": f"h{uuid4().hex[:20]}",
            "account_id": account_id or self.account_id,
            "display_name": "Ann",
        }
        return await self.own("handles", "POST", "/handles", body, persona=persona)

    async def account(self, *, persona: str = "owner") -> str:
        """A wallet."""
        body = {"currency": "USD"}
        return str((await self.own("payments", "POST", "/accounts", body, persona=persona))["id"])

    async def open_accounts(self) -> None:
        """Two of the owner's, and the handle that others are to pay from."""
        self.account_id = await self.account()
        self.second_account_id = await self.account()
        self.payer = await self.handle()

    async def acts(self) -> int:
        """How many acts of staff were written down so far, each with its event."""
        async with self.database.connection() as connection:
            count: int = await connection.fetchval("SELECT count(*) FROM audit_acts")
        return count

    async def execute(self, statement: str, *arguments: object) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)

    async def say(self, principal: str, standing: Standing) -> None:
        """Tell every edge who is believed no more."""
        assert self.settings.kafka_bootstrap is not None
        publisher = KafkaPublisher(
            self.settings.kafka_bootstrap,
            prefix=self.settings.topic_prefix,
            settings=self.settings,
            role="tests",
        )
        event = StandingChanged(
            request_id=uuid4(), requested_at=CLOCK.now(), principal=principal, standing=standing
        )
        await publisher.start()
        message = first_message(
            event, event_id=event.request_id, source="tests", now=CLOCK.now(), traceparent=None
        )
        await publisher.publish([message], deadline_s=10.0)
        await publisher.stop()

    def give_scope(self, scope: Scope | None) -> None:
        """The program gets this scope alone, the misscoped one all but this; None: both get all."""
        every = frozenset(Scope)
        right = every if scope is None else frozenset({scope})
        wrong = every if scope is None else every - right
        self.tokens["program"] = token_of("client:other", scopes=right)
        self.tokens["misscoped"] = token_of("client:misscoped", scopes=wrong)

    async def sign_in(self) -> None:
        """Somebody of each kind."""
        suspended, revoked_session = client_of(uuid4()), uuid4()
        owner, now = client_of(self.owner), CLOCK.now()
        long_ago, ended = now - timedelta(minutes=65), now - timedelta(minutes=55)
        self.tokens = {
            "owner": token_of(owner),
            "other": token_of(client_of(uuid4())),
            "unscoped": token_of("client:unscoped"),
            "suspended": token_of(suspended),
            "expired": token_of(owner, issued_at=long_ago, expires_at=ended),
            "revoked": token_of(owner, session_id=revoked_session),
            "revoked-program": token_of(REVOKED, scopes=frozenset(Scope)),
            **{role.value: token_of(client_of(uuid4()), roles=frozenset({role})) for role in Role},
        }
        self.give_scope(None)
        await self.say(suspended, Standing.SUSPENDED)
        await self.say(REVOKED, Standing.REVOKED)
        await self.say(session_principal(revoked_session), Standing.REVOKED)
        await self.execute(
            "INSERT INTO auth_clients (client_id, scopes, created_at) VALUES ($1, '{}', now())"
            " ON CONFLICT DO NOTHING",
            SHOP,
        )


@asynccontextmanager
async def house_at(
    settings: Settings, *names: str, stages: Mapping[str, Build] | None = None
) -> AsyncIterator[House]:
    """Some of the edges, the stages that open and name accounts, and more stages if given."""
    async with AsyncExitStack() as stack:
        assert settings.postgres_dsn is not None
        database = await Database.connect(settings.postgres_dsn.get_secret_value(), name="tests")
        stack.push_async_callback(database.close)
        house = House(settings, database)
        standing = StandingWatch("producers.payments", settings, clock=CLOCK)
        stack.push_async_callback(standing.stop)
        bearer, bearer_or_demo = (
            BearerAuthenticator(
                TokenVerifier(OneKey(), issuer=settings.token_issuer, clock=CLOCK),
                standing,
                clock=CLOCK,
                api_keys=ApiKeys(database, clock=CLOCK),
                otherwise=otherwise,
            )
            for otherwise in (None, demo_authenticator)
        )

        async def authenticator(request: Request) -> Caller:
            return await (bearer_or_demo if ON_DEMO in request.headers else bearer)(request)

        for name in names:
            app = import_module(f"producers.{name}.app").make_app(
                settings, authenticator=authenticator
            )
            house.apps[name] = await stack.enter_async_context(running(app))
        for stage_name, build in {**BUILDS, **(stages or {})}.items():
            stage = stage_app(stage_name, build, settings)
            await stage.start()
            stack.push_async_callback(stage.stop)
        await house.sign_in()
        yield house
