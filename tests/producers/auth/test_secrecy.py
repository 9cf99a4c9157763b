"""Neither log nor tables say who somebody is or what they showed; and a person is forgotten."""

import base64
import json
from collections.abc import Iterable
from uuid import UUID, uuid4

import pyotp
import pytest

from runtime.clock import SystemClock
from runtime.database import Connection
from tests.producers.auth.log import events_of
from tests.producers.auth.place import Auth, some_address

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

TABLES = (
    *("auth_users", "auth_sessions", "auth_refresh_tokens", "auth_clients", "auth_credentials"),
    *("auth_meters", "auth_signing_keys", "outbox"),
)


def spellings(canary: str) -> Iterable[str]:
    raw = canary.encode()
    yield canary.lower()
    yield raw.hex()
    # Wherever it begins in what was encoded, of base64 this much is the same.
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw).decode()
        yield coded[4 : len(coded) - 4].lower()


async def dump(connection: Connection) -> str:
    rows = [
        row["text"]
        for table in TABLES
        for row in await connection.fetch(f"SELECT t::text AS text FROM {table} AS t")
    ]
    return "\n".join(rows).lower()


async def test_neither_the_log_nor_the_tables_say_what_was_told_in_confidence(auth: Auth) -> None:
    email = f"canary-{uuid4().hex}@example.com"
    password, other_password = f"password {uuid4().hex}", f"another {uuid4().hex}"
    name, address = f"Canary {uuid4().hex[:12]}", some_address()
    here = auth.at(address)
    registered = await here.post(
        "/auth/register", email=email, password=password, display_name=name
    )
    user_id = registered.document["user_id"]
    tokens = (await here.login(email, password)).document
    mine = here.by(tokens["access_token"])
    proposed = (await mine.post("/auth/totp", password=password)).document
    code = pyotp.TOTP(proposed["secret"]).at(int(SystemClock().now().timestamp()))
    assert (await mine.post("/auth/totp/verify", totp_code=code)).status == 204
    wrong = f"wrong {uuid4().hex}"
    assert (await here.login(email, wrong)).status == 401
    refreshed = (await here.post("/auth/refresh", refresh_token=tokens["refresh_token"])).document
    changed = await mine.post(
        "/auth/password", current_password=password, new_password=other_password
    )
    assert changed.status == 204

    log = json.dumps(await events_of(auth, user_id, until="password.changed.v1")).lower()
    async with auth.edge.resources.database.connection() as connection:
        tables = await dump(connection)

    assert user_id in log
    assert user_id in tables
    canaries = {
        *(email, password, other_password, wrong, name, address, proposed["secret"]),
        *(tokens["refresh_token"], refreshed["refresh_token"]),
        *(tokens["access_token"], refreshed["access_token"]),
    }
    for canary in canaries:
        for spelling in spellings(canary):
            assert spelling not in log
            assert spelling not in tables


async def test_a_forgotten_person_does_not_sign_in_and_leaves_no_trace(auth: Auth) -> None:
    person = await auth.somebody()
    vault, database = auth.edge.resources.vault, auth.edge.resources.database
    async with database.connection() as connection, connection.transaction():
        assert await vault.forget(connection, UUID(person.user_id))

    assert (await auth.login(person.email)).status == 401
    gone = await auth.post("/auth/refresh", refresh_token=person.tokens["refresh_token"])
    assert gone.status == 401
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT * FROM auth_users WHERE user_id = $1", UUID(person.user_id)
        )
        sessions = await connection.fetchval(
            "SELECT count(*) FROM auth_sessions WHERE user_id = $1", UUID(person.user_id)
        )
    assert row is not None
    assert sessions == 0
    assert [name for name, value in row.items() if value is not None] == [
        *("user_id", "roles", "totp_step", "registered_at")
    ]
    again = await auth.register(person.email)
    assert again.status == 201
    assert again.document["user_id"] != person.user_id
