"""Who calls is told by a token that holds, and remembered for no longer than it may be."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.requests import Request

from domain.errors import Unavailable
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.http import authentication
from runtime.http.access_token import AccessClaims, invalid_token
from runtime.http.api_key import MARK, ApiKeys
from runtime.http.authentication import (
    TOKEN_KNOWN_S,
    BearerAuthenticator,
    authenticator_for,
    caller_in,
    demo_authenticator,
)
from runtime.http.caller import DEMO, Caller, Kind
from runtime.http.problem import ProblemError
from runtime.http.scope import keep_headers
from runtime.settings import Profile, Settings
from tests.support.asgi import Headers

NOW = SystemClock().now()


class At(SystemClock):
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed_s)

    def monotonic_s(self) -> float:
        return self.passed_s


@dataclass
class Signer:
    """Whoever knows what each bearer shows."""

    claims: dict[str, AccessClaims]
    asked: list[str] = field(default_factory=list)

    async def verify(self, token: str) -> AccessClaims:
        self.asked.append(token)
        if token not in self.claims:
            raise invalid_token()
        return self.claims[token]


@dataclass
class Watch:
    """Who is believed no more."""

    suspended: set[str] = field(default_factory=set)

    async def demand(self, caller: Caller) -> None:
        if caller.client_id in self.suspended:
            raise ProblemError(403, "suspended", "suspended")


def claims_of(client_id: str, **changes: Any) -> AccessClaims:
    fields: dict[str, Any] = {
        "client_id": client_id,
        "session_id": uuid4(),
        "token_id": uuid4(),
        "issued_at": NOW,
        "expires_at": NOW + timedelta(minutes=10),
    }
    return AccessClaims(**(fields | changes))


def request_with(*headers: tuple[str, str], host: str = "127.0.0.1") -> Request:
    listed: Headers = headers
    scope: dict[str, Any] = {
        "type": "http",
        "headers": [(name.encode(), str(value).encode()) for name, value in listed],
        "client": (host, 1),
    }
    keep_headers(scope)
    return Request(scope)


def bearer(token: str) -> Request:
    return request_with(("authorization", f"Bearer {token}"))


@dataclass
class Door:
    """An authenticator and all that it asks."""

    tokens: Signer
    api_keys: Signer = field(default_factory=lambda: Signer({}))
    watch: Watch = field(default_factory=Watch)
    clock: At = field(default_factory=At)

    def authenticator(self, *, is_demo: bool = False) -> BearerAuthenticator:
        return BearerAuthenticator(
            self.tokens,
            self.watch,
            clock=self.clock,
            api_keys=self.api_keys,
            otherwise=demo_authenticator if is_demo else None,
        )


async def refusal(authenticator: BearerAuthenticator, request: Request) -> tuple[int, str]:
    with pytest.raises(ProblemError) as refused:
        await authenticator(request)
    assert "WWW-Authenticate" in refused.value.headers or refused.value.status != 401
    return refused.value.status, refused.value.code


def test_a_token_with_roles_is_staff_and_a_program_never_is() -> None:
    user, roles = f"user:{uuid4()}", frozenset({"admin"})

    assert caller_in(claims_of(user)).kind is Kind.PERSON
    assert caller_in(claims_of(user, roles=roles)).kind is Kind.ADMIN
    program = caller_in(claims_of("client:shop", roles=roles))
    assert (program.kind, program.roles) == (Kind.PROGRAM, frozenset())


async def test_a_token_is_verified_once_a_minute_and_its_standing_each_time() -> None:
    user = f"user:{uuid4()}"
    door = Door(Signer({"t": claims_of(user)}))
    authenticator = door.authenticator()

    for _ in range(5):
        assert (await authenticator(bearer("t"))).client_id == user
    assert len(door.tokens.asked) == 1
    door.clock.passed_s = TOKEN_KNOWN_S + 1
    await authenticator(bearer("t"))
    assert len(door.tokens.asked) == 2

    door.watch.suspended.add(user)
    assert await refusal(authenticator, bearer("t")) == (403, "suspended")


async def test_a_token_is_not_believed_past_its_end() -> None:
    soon = NOW + timedelta(seconds=5)
    door = Door(Signer({"t": claims_of("client:shop", expires_at=soon)}))
    authenticator = door.authenticator()
    await authenticator(bearer("t"))

    door.clock.passed_s = 5.1
    door.tokens.claims.clear()

    assert await refusal(authenticator, bearer("t")) == (401, "invalid_token")


async def test_memory_is_bounded_and_the_longest_unknown_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(authentication, "TOKENS_KNOWN_MAX", 3)
    door = Door(Signer({str(number): claims_of("client:shop") for number in range(5)}))
    authenticator = door.authenticator()

    for token in "0123440":
        await authenticator(bearer(token))

    assert door.tokens.asked == list("012340")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dGl0YW4=",
        "t",
        "Bearer t t",
        "bearer\tt",
        "Bearer t, Bearer t",
    ],
)
@pytest.mark.parametrize("is_demo", [True, False])
async def test_what_is_shown_is_verified_also_where_nothing_is_needed(
    value: str,
    is_demo: bool,  # noqa: FBT001
) -> None:
    door = Door(Signer({"t": claims_of("client:shop")}))
    authenticator = door.authenticator(is_demo=is_demo)

    found = await refusal(authenticator, request_with(("authorization", value)))

    assert found == (401, "invalid_token")


async def test_two_bearers_are_none() -> None:
    door = Door(Signer({"t": claims_of("client:shop")}))
    twice = [("authorization", "Bearer t")] * 2

    found = await refusal(door.authenticator(is_demo=True), request_with(*twice))

    assert found == (401, "invalid_token")


async def test_who_shows_nothing_is_the_demo_there_and_nobody_elsewhere() -> None:
    door = Door(Signer({}))

    assert await door.authenticator(is_demo=True)(request_with()) is DEMO
    assert await refusal(door.authenticator(), request_with()) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("name", "is_local"),
    [
        *[(name, True) for name in ("localhost", "localhost:8002", "127.0.0.1:8002", "[::1]:8002")],
        *[(name, True) for name in ("LOCALHOST:1", "127.9.9.9", "[::1]")],
        *[
            (name, False)
            for name in ("evil.example", "evil.example:8002", "127.0.0.1.evil.example")
        ],
        *[(name, False) for name in ("localhost.evil.example:8002", "", "[::2]:8002", "192.0.2.7")],
    ],
)
async def test_a_page_of_the_web_whose_name_means_this_machine_is_not_the_demo(
    name: str,
    is_local: bool,  # noqa: FBT001
) -> None:
    request = request_with(("host", name))
    if is_local:
        assert await demo_authenticator(request) is DEMO
    else:
        with pytest.raises(ProblemError, match="demo_is_local"):
            await demo_authenticator(request)


async def test_an_api_key_is_asked_for_where_keys_are_kept() -> None:
    key = f"{MARK}{'k' * 43}"
    door = Door(Signer({}), api_keys=Signer({key: claims_of("client:shop")}))

    caller = await door.authenticator()(bearer(key))

    assert (caller.kind, door.tokens.asked, door.api_keys.asked) == (Kind.PROGRAM, [], [key])


async def test_where_nobody_can_tell_a_token_from_another_nobody_is_believed() -> None:
    database = await Database.connect("postgresql://nobody@127.0.0.1:1/nothing", name="tests")
    settings = Settings(
        profile=Profile.PRODUCTION,
        jwks_url="http://127.0.0.1:1/keys",
        kafka_bootstrap="127.0.0.1:1",
    )
    async with authenticator_for(
        "payments", settings, database, clock=SystemClock()
    ) as authenticator:
        with pytest.raises(ProblemError, match="unauthenticated"):
            await authenticator(request_with())
        with pytest.raises(Unavailable):
            await authenticator(bearer(f"{MARK}{'k' * 43}"))
    await database.close()


@pytest.mark.real
async def test_a_key_that_was_revoked_or_never_was_does_not_hold(database_dsn: str) -> None:
    database = await Database.connect(database_dsn, name="tests")
    keys = ApiKeys(database, clock=SystemClock())
    client_id, credential_id = f"client:p{uuid4().hex[:20]}", uuid4()
    key = f"{MARK}{uuid4().hex}{'x' * 11}"
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO auth_clients (client_id, scopes, created_at) VALUES ($1, '{}', now())",
            client_id,
        )
        await connection.execute(
            "INSERT INTO auth_credentials"
            " (credential_id, client_id, kind, prefix, secret_hash, scopes, created_at)"
            " VALUES ($1, $2, 'api_key', 'titan_ak_', $3, '{payments:read}', now())",
            *(credential_id, client_id, hashlib.sha256(key.encode()).digest()),
        )
        claims = await keys.verify(key)
        used = "SELECT last_used_at FROM auth_credentials WHERE credential_id = $1"
        first_use = await connection.fetchval(used, credential_id)
        await keys.verify(key)
        assert await connection.fetchval(used, credential_id) == first_use is not None
        await connection.execute(
            "UPDATE auth_credentials SET revoked_at = now() WHERE credential_id = $1", credential_id
        )
    for other in (key, f"{MARK}{'n' * 43}", f"{MARK}short", f"{key}x"):
        with pytest.raises(ProblemError, match="invalid_token"):
            await keys.verify(other)
    await database.close()

    assert (claims.client_id, claims.session_id) == (client_id, credential_id)
    assert (claims.scopes, claims.roles) == (frozenset({"payments:read"}), frozenset())
