"""Registering and signing in: who gets in, who does not, and in which words."""

import asyncio
import json
import unicodedata

import pytest

from tests.producers.auth.place import PASSWORD, Auth, some_address, some_email

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]


async def test_somebody_registers_signs_in_and_is_known(auth: Auth) -> None:
    person = await auth.somebody()

    claims = await auth.edge.verifier.verify(person.tokens["access_token"])

    assert str(claims.person_id) == person.user_id
    assert claims.client_id == f"user:{person.user_id}"
    assert str(claims.session_id) == person.tokens["session_id"]
    assert (claims.scopes, claims.roles) == (frozenset(), frozenset())
    assert (claims.expires_at - claims.issued_at).total_seconds() == person.tokens["expires_in"]


async def test_an_address_is_one_persons_however_it_is_spelled(auth: Auth) -> None:
    email = some_email()
    assert (await auth.register(email)).status == 201
    again = await auth.register(f" {email.upper()} ")
    assert (again.status, again.code) == (409, "email_taken")
    assert (await auth.login(email.upper())).status == 200


async def test_of_racing_registrations_one_wins(auth: Auth) -> None:
    email = some_email()
    answers = await asyncio.gather(
        *(auth.at(some_address()).register(email, f"{PASSWORD} {number}") for number in range(8))
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7


async def test_a_wrong_password_and_an_unknown_address_are_told_alike(auth: Auth) -> None:
    person = await auth.somebody()
    wrong = await auth.login(person.email, "not the password")
    unknown = await auth.login(some_email(), "not the password")
    told = [(answer.status, answer.code, answer.document["detail"]) for answer in (wrong, unknown)]
    assert told[0] == told[1]
    assert told[0][:2] == (401, "invalid_credentials")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password_too_short"),
        ("short", "password_too_short"),
        ("x" * 73, "password_too_long"),
        ("x" * 1_000, "password_too_long"),
        ("\N{GRINNING FACE}" * 19, "password_too_long"),
        ("with a NUL \0 inside", "password_with_nul"),
    ],
)
async def test_what_cannot_be_a_password_is_refused_where_it_is_chosen_and_wrong_elsewhere(
    auth: Auth, password: str, code: str
) -> None:
    email = some_email()
    refused = await auth.register(email, password)
    assert (refused.status, refused.code) == (422, code)
    wrong = await auth.login(email, password)
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")


@pytest.mark.parametrize(
    "password",
    ["x" * 72, "\N{GRINNING FACE}" * 18, "a trailing space ", "née Ångström 12", "          "],
)
async def test_a_password_counts_as_it_was_typed(auth: Auth, password: str) -> None:
    email = some_email()
    assert (await auth.register(email, password)).status == 201
    assert (await auth.login(email, unicodedata.normalize("NFD", password))).status == 200
    assert (await auth.login(email, password[:-1])).status == 401
    assert (await auth.login(email, f"{password}x"[-80:])).status == 401


async def test_everything_wrong_with_a_registration_is_said_at_once(auth: Auth) -> None:
    answer = await auth.post("/auth/register", email="nobody", password="x", display_name="")
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.document["errors"]] == [
        "/email",
        "/password",
        "/display_name",
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a@example.com", "password": PASSWORD, "role": "admin"},
        {"email": "a@example.com", "password": 12345678901},
        {"email": ["a@example.com"], "password": PASSWORD},
        {"email": "a@example.com"},
        {"email": "a@example.com", "password": PASSWORD, "totp_code": "12345"},
        {"email": "a@example.com", "password": PASSWORD, "totp_code": "１２３４５６"},
    ],
)
async def test_a_body_that_does_not_fit_is_422(auth: Auth, body: dict[str, object]) -> None:
    answer = await auth.ask("POST", "/auth/login", body)
    assert (answer.status, answer.code) == (422, "invalid_body")
    assert PASSWORD not in json.dumps(answer.document)


async def test_another_password_ends_all_other_sessions(auth: Auth) -> None:
    person = await auth.somebody()
    other = await auth.login(person.email)
    changed = await person.auth.post(
        "/auth/password", current_password=PASSWORD, new_password="another password"
    )
    assert changed.status == 204

    assert (await auth.login(person.email)).status == 401
    assert (await auth.login(person.email, "another password")).status == 200
    ended = await auth.post("/auth/refresh", refresh_token=other.document["refresh_token"])
    assert (ended.status, ended.code) == (401, "invalid_refresh_token")
    kept = await auth.post("/auth/refresh", refresh_token=person.tokens["refresh_token"])
    assert kept.status == 200


async def test_another_password_needs_the_current_one(auth: Auth) -> None:
    person = await auth.somebody()
    wrong = await person.auth.post(
        "/auth/password", current_password="not the password", new_password="another password"
    )
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    bad = await person.auth.post("/auth/password", current_password=PASSWORD, new_password="short")
    assert (bad.status, bad.code) == (422, "password_too_short")
    assert (await auth.login(person.email)).status == 200


async def test_a_sign_in_beside_another_password_does_not_outlive_it(auth: Auth) -> None:
    """Whatever the order: a session that began by the old password is over at the end."""
    person = await auth.somebody()
    logins = [auth.at(some_address()).login(person.email) for _ in range(6)]
    changed, *answers = await asyncio.gather(
        person.auth.post(
            "/auth/password", current_password=PASSWORD, new_password="another password"
        ),
        *logins,
    )
    assert changed.status == 204
    for answer in answers:
        if answer.status == 200:
            token = answer.document["refresh_token"]
            assert (await auth.post("/auth/refresh", refresh_token=token)).status == 401


async def test_without_a_token_nothing_of_ones_own_is_shown(auth: Auth) -> None:
    for path in ("/auth/sessions", "/v1/auth/sessions", "/auth/clients"):
        answer = await auth.by("nonsense").get(path)
        assert (answer.status, answer.code) == (401, "invalid_token")
