"""`titan auth` on real servers, and what it changes for those who sign in or call."""

import base64
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from producers.auth.signing import KeyRing
from runtime.settings import Settings
from tests.producers.auth.command import set_environment, titan, told
from tests.producers.auth.log import events_of
from tests.producers.auth.place import PASSWORD, Auth, auth_at, some_email
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

NAME = "Ada Admin"


@pytest.fixture(autouse=True)
def _environment(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, settings.model_copy(update={"data_directory": tmp_path}))


async def test_the_first_admin_is_made_and_works(auth: Auth) -> None:
    email = some_email()
    made = await told(
        "make-admin", email, "--name", NAME, "--password-from", "-", given=PASSWORD + "\n"
    )
    assert made["roles"] == ["admin"]

    answer = await auth.login(email)
    admin = auth.by_answer(answer)
    assert (await auth.edge.verifier.verify(admin.token or "")).roles == {"admin"}

    created = await admin.post(
        "/auth/clients", name=email[:12].translate(DIGITS), scopes=["payments:read"]
    )
    assert created.status == 201, created.body
    events = await events_of(auth, made["person"].removeprefix("user:"), until="session.started.v1")
    assert {name for name, _ in events[:2]} == {"user.registered.v1", "user.roles-changed.v1"}


async def test_somebody_who_becomes_staff_signs_in_anew(auth: Auth) -> None:
    person = await auth.somebody()
    made = await told("make-admin", person.email, "--role", "support")
    assert made == {"person": f"user:{person.user_id}", "roles": ["support"]}

    old = await auth.post("/auth/refresh", refresh_token=person.tokens["refresh_token"])
    assert old.status == 401
    support = auth.by_answer(await auth.login(person.email))
    refused = await support.get("/auth/clients")
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_roles_are_taken_away_one_or_all_and_no_token_says_them_any_more(auth: Auth) -> None:
    person = await auth.somebody()
    await told("make-admin", person.email, "--role", "admin", "--role", "support")
    signed_in = await auth.login(person.email)
    admin = auth.by_answer(signed_in)
    assert (await admin.get("/auth/clients")).status == 200

    name = f"user:{person.user_id}"
    fewer = await told("revoke-roles", name, "--role", "admin")
    assert fewer == {"person": name, "roles": ["support"], "is_new": True}

    async def is_refused() -> bool:
        return (await admin.get("/auth/clients")).status == 401

    await eventually(is_refused)
    refresh_token = signed_in.document["refresh_token"]
    assert (await auth.post("/auth/refresh", refresh_token=refresh_token)).status == 401
    support = auth.by_answer(await auth.login(person.email))
    assert (await support.get("/auth/clients")).code == "forbidden"

    again = await told("revoke-roles", person.user_id, "--role", "admin")
    assert again == {"person": name, "roles": ["support"], "is_new": False}
    assert (await told("revoke-roles", person.user_id))["roles"] == []
    plain = await auth.edge.verifier.verify(
        (await auth.login(person.email)).document["access_token"]
    )
    assert plain.roles == frozenset()

    events = await events_of(auth, person.user_id, until="user.roles-changed.v1")
    changes = [value for topic, value in events if topic == "user.roles-changed.v1"]
    assert [each["roles"] for each in changes] == [["admin", "support"], ["support"], []]
    assert {each["changed_by"] for each in changes} == {"operator"}
    ends = {value["reason"] for topic, value in events if topic == "session.revoked.v1"}
    assert ends == {"roles_changed"}


async def test_who_is_suspended_gets_in_nowhere_until_reinstated(auth: Auth) -> None:
    person = await auth.somebody()
    assert (await person.auth.get("/auth/sessions")).status == 200
    assert (await told("suspend", person.user_id))["is_new"]
    assert not (await told("suspend", person.user_id))["is_new"]

    answer = await auth.login(person.email)
    assert (answer.status, answer.code) == (403, "account_suspended")
    wrong = await auth.login(person.email, "not the password")
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    old = await auth.post("/auth/refresh", refresh_token=person.tokens["refresh_token"])
    assert old.status == 401

    assert (await told("reinstate", f"user:{person.user_id}"))["is_new"]
    assert (await auth.login(person.email)).status == 200


async def test_a_program_gets_its_secret_uses_it_and_loses_it(auth: Auth) -> None:
    name = some_email()[:12].translate(DIGITS)
    made = await told(
        "create-client", name, "--scope", "payments:write", "--scope", "payments:read"
    )
    assert made["client_id"] == f"client:{name}"

    basic = base64.b64encode(f"{made['client_id']}:{made['secret']}".encode()).decode()
    token = await auth.form(
        "/oauth/token", "grant_type=client_credentials", authorization=f"Basic {basic}"
    )
    assert token.status == 200, token.body
    assert token.document["scope"] == "payments:read payments:write"
    more = await told("add-credential", name, "--api-key", "--scope", "payments:read")
    assert (more["kind"], more["scopes"]) == ("api_key", ["payments:read"])
    listed = [each for each in await told("clients") if each["client"] == made["client_id"]]
    assert [each["credential"] for each in listed] == [made["credential_id"], more["credential_id"]]
    assert made["secret"] not in json.dumps(listed)

    assert (await told("revoke", name, made["credential_id"])) == {"revoked": made["credential_id"]}
    gone = await auth.form(
        "/oauth/token", "grant_type=client_credentials", authorization=f"Basic {basic}"
    )
    assert (gone.status, gone.code) == (401, "invalid_client")
    await told("revoke", name)
    events = await events_of(auth, made["client_id"], until="credentials.revoked.v1")
    changes = [value for name, value in events if name != "credentials.refused.v1"]
    assert {value["changed_by"] for value in changes} == {"operator"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create-client", "Shop!", "--scope", "payments:read"], "a program's name"),
        (["create-client", "shop"], "--scope"),
        (["revoke", "nobody-at-all"], "no such program"),
        (["add-credential", "nobody-at-all"], "there is no client:nobody-at-all"),
        (["suspend", "somebody"], "user:UUID"),
        (["suspend", str(UUID(int=1))], "nobody of this id"),
        (["revoke-roles", "somebody"], "user:UUID"),
        (["revoke-roles", str(UUID(int=1))], "nobody of this id"),
        (["make-admin", "nobody"], "no e-mail address"),
        (["make-admin", "short@example.com", "--password-from", "-"], "at least 10 characters"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(words: list[str], said: str) -> None:
    result = await titan(*words, given="short")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


async def test_a_rotation_is_published_first_and_a_leak_ends_all(
    auth: Auth, settings: Settings
) -> None:
    person = await auth.somebody()
    before = {key["kid"] for key in (await auth.get("/.well-known/jwks.json")).document["keys"]}

    async with auth_at(settings) as twin:
        rotated = await told("rotate-keys")
        assert rotated["key"] not in before
        published = (await auth_document(twin))["keys"]
        assert {key["kid"] for key in published} == before | {rotated["key"]}
        assert all(key["alg"] == "ES256" and "d" not in key for key in published)
        assert [row["state"] for row in await told("keys")][-1] == "published"
        ring: KeyRing = twin.edge.keys
        assert (await ring.signing_key()).kid in before

    leaked = await told("rotate-keys", "--revoke-others")
    async with auth_at(settings) as twin:
        assert [key["kid"] for key in (await auth_document(twin))["keys"]] == [leaked["key"]]
        refused = await twin.by(person.tokens["access_token"]).get("/auth/sessions")
        assert (refused.status, refused.code) == (401, "invalid_token")
        assert (await twin.login(person.email)).status == 200
    async with auth.edge.resources.database.connection() as connection:
        acts = await connection.fetch(
            "SELECT actor, action FROM audit_acts WHERE object = ANY($1) ORDER BY acted_at",
            [f"signing-key:{each['key']}" for each in (rotated, leaked)],
        )
    assert [tuple(act) for act in acts] == [
        ("operator", "signing-key.rotate"),
        ("operator", "signing-key.replace-leaked"),
    ]


async def auth_document(auth: Auth) -> Any:
    answer = await auth.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=60"
    return answer.document


DIGITS = str.maketrans("0123456789", "ghijklmnop")
