"""Programs: their secrets are exchanged for tokens of no more than they may do."""

import base64
import json
from urllib.parse import quote
from uuid import uuid4

import pytest

from runtime.http.caller import Role
from tests.producers.auth.log import events_of
from tests.producers.auth.place import Auth

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

GRANT = "grant_type=client_credentials"
SHAPED = "titan_cs_" + "A" * 43


def some_name() -> str:
    return f"shop-{uuid4().hex}"


async def staff(auth: Auth, *roles: Role) -> Auth:
    person = await auth.somebody()
    async with auth.edge.resources.database.connection() as connection:
        await connection.execute(
            "UPDATE auth_users SET roles = $2 WHERE user_id = $1", person.user_id, list(roles)
        )
    return auth.by_answer(await auth.login(person.email))


async def program(auth: Auth, *scopes: str) -> tuple[str, str, Auth]:
    """A program's id and secret, and an admin."""
    admin = await staff(auth, Role.ADMIN)
    made = await admin.post("/auth/clients", name=some_name(), scopes=list(scopes))
    assert made.status == 201, made.body
    client_id = made.document["client_id"]
    shown = await admin.post(f"/auth/clients/{client_id}/credentials", kind="secret")
    assert shown.status == 201, shown.body
    return client_id, shown.document["secret"], admin


async def test_a_secret_is_exchanged_for_a_token_in_either_way(auth: Auth) -> None:
    client_id, secret, _ = await program(auth, "payments:read", "payments:write")
    plain = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    quoted = base64.b64encode(f"{quote(client_id, safe='')}:{secret}".encode()).decode()
    answers = [
        await auth.form("/oauth/token", GRANT, authorization=f"Basic {plain}"),
        await auth.form("/oauth/token", GRANT, authorization=f"basic {quoted}"),
        await auth.form(
            "/oauth/token",
            f"{GRANT}&client_id={quote(client_id)}&client_secret={secret}&scope=payments:read",
        ),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]
    claims = await auth.edge.verifier.verify(answers[2].document["access_token"])
    assert claims.client_id == client_id
    assert claims.person_id is None
    assert (claims.scopes, claims.roles) == (frozenset({"payments:read"}), frozenset())
    assert answers[2].document["expires_in"] == 600


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ("", 400, "invalid_request"),
        ("grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        ("grant_type=refresh_token", 400, "unsupported_grant_type"),
        (GRANT, 400, "invalid_request"),
        (f"{GRANT}&client_id=client:x", 400, "invalid_request"),
        (f"{GRANT}&client_id=client:nobody&client_secret=x", 401, "invalid_client"),
        (f"{GRANT}&client_id=' OR 1=1 --&client_secret=x", 401, "invalid_client"),
        (f"{GRANT}&client_id=client:%00&client_secret={SHAPED}", 401, "invalid_client"),
        (f"{GRANT}&client_id=%F0%9F%98%80&client_secret={SHAPED}", 401, "invalid_client"),
        (f"{GRANT}&grant_type=client_credentials", 400, "malformed_form"),
        ("%ff%fe=x", 400, "malformed_form"),
        ("grant_type", 400, "malformed_form"),
        ("&".join(f"a{n}=b" for n in range(17)), 400, "malformed_form"),
    ],
)
async def test_what_is_wrong_has_the_code_that_oauth_has_for_it(
    auth: Auth, form: str, status: int, code: str
) -> None:
    answer = await auth.form("/oauth/token", form)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    "given", ["Bearer x", "Basic", "Basic !!!", "Basic Zm9v", "Basic /////w=="]
)
async def test_a_header_that_shows_nothing_is_one_answer(auth: Auth, given: str) -> None:
    answer = await auth.form("/oauth/token", GRANT, authorization=given)
    assert (answer.status, answer.code) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_no_token_is_for_more_than_its_credential(auth: Auth) -> None:
    client_id, secret, admin = await program(auth, "payments:read", "accounts:read")
    base = f"{GRANT}&client_id={client_id}&client_secret={secret}&scope="
    for scope in ("payments:write", "payments:read payments:write", "", " ", "payments:read  "):
        answer = await auth.form("/oauth/token", base + quote(scope))
        assert (answer.status, answer.code) == (400, "invalid_scope")
    more = await admin.post(
        f"/auth/clients/{client_id}/credentials", kind="api_key", scopes=["payments:write"]
    )
    assert (more.status, more.code) == (422, "scope_not_allowed")


async def test_neither_an_api_key_nor_anothers_secret_is_exchanged(auth: Auth) -> None:
    client_id, _, admin = await program(auth, "payments:read")
    _, others, _ = await program(auth, "payments:read")
    key = await admin.post(f"/auth/clients/{client_id}/credentials", kind="api_key")
    for secret in (others, key.document["secret"], others[:-1], others + "A"):
        answer = await auth.form(
            "/oauth/token", f"{GRANT}&client_id={client_id}&client_secret={secret}"
        )
        assert (answer.status, answer.code) == (401, "invalid_client")


async def test_what_is_revoked_counts_no_more_and_the_log_says_by_whom(auth: Auth) -> None:
    client_id, secret, admin = await program(auth, "payments:read")
    listed = (await admin.get(f"/auth/clients/{client_id}/credentials")).document["data"]
    assert [each["prefix"] for each in listed] == [secret[:17]]
    assert secret not in json.dumps(listed)

    path = f"/auth/clients/{client_id}/credentials/{listed[0]['credential_id']}"
    assert (await admin.delete(path)).status == 204
    assert (await admin.delete(path)).status == 204

    gone = await auth.form("/oauth/token", f"{GRANT}&client_id={client_id}&client_secret={secret}")
    assert (gone.status, gone.code) == (401, "invalid_client")
    events = await events_of(auth, client_id, until="credentials.refused.v1")
    told = [(name, value) for name, value in events if name != "staff.acted.v1"]
    assert [name for name, _ in told] == [
        f"credentials.{what}.v1" for what in ("created", "revoked", "refused")
    ]
    assert all(value["changed_by"].startswith("user:") for _, value in told[:2])
    assert secret not in json.dumps(told)


async def test_a_revoked_program_gets_nothing_new(auth: Auth) -> None:
    client_id, secret, admin = await program(auth, "payments:read")
    assert (await admin.delete(f"/auth/clients/{client_id}")).status == 204
    gone = await auth.form("/oauth/token", f"{GRANT}&client_id={client_id}&client_secret={secret}")
    assert gone.status == 401
    more = await admin.post(f"/auth/clients/{client_id}/credentials", kind="secret")
    assert (more.status, more.code) == (404, "client_not_found")


async def test_only_staff_deals_with_programs(auth: Auth) -> None:
    client_id, _, _ = await program(auth, "payments:read")
    person = (await auth.somebody()).auth
    reader = await staff(auth, Role.ADMIN_READONLY)
    assert (await person.get("/auth/clients")).status == 403
    assert (await reader.get("/auth/clients")).status == 200
    assert (await reader.post("/auth/clients", name=some_name(), scopes=[])).status == 403
    assert (await reader.delete(f"/auth/clients/{client_id}")).status == 403
    nobody = await reader.get("/auth/clients/client:nobody/credentials")
    assert (nobody.status, nobody.code) == (404, "client_not_found")
    nameless = await reader.get("/auth/clients/nobody/credentials")
    assert (nameless.status, nameless.code) == (404, "not_found")


async def test_a_program_has_one_name(auth: Auth) -> None:
    client_id, _, admin = await program(auth, "payments:read")
    name = client_id.removeprefix("client:")
    again = await admin.post("/auth/clients", name=name, scopes=["payments:read"])
    assert (again.status, again.code) == (409, "client_exists")
    bad = await admin.post("/auth/clients", name="Shop", scopes=["payments:read"])
    assert bad.status == 422
