"""Whom staff or an operator suspends is suspended everywhere, and either lets them in again."""

from collections.abc import AsyncIterator

import pytest

from tests.producers.auth.command import set_environment, told
from tests.producers.auth.place import CHEAP, Auth, Person, auth_at
from tests.producers.users.place import Place, Somebody
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

WHY = {"reason": "asked for by ticket 4711"}


@pytest.fixture
async def auth(place: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Auth]:
    """Sign-in, and the commands, on the servers of the users' edge."""
    settings = place.settings.model_copy(update={"password_cost": CHEAP})
    set_environment(monkeypatch, settings)
    async with auth_at(settings) as auth:
        yield auth


async def stand(staff: Somebody, person: Person, word: str) -> int:
    """Staff suspends or reinstates somebody."""
    return (await staff.ask("POST", f"/admin/people/{person.user_id}/{word}", WHY)).status


async def is_shown_suspended(staff: Somebody, person: Person) -> bool:
    shown: bool = (await staff.get(f"/admin/people/{person.user_id}"))["is_suspended"]
    return shown


async def test_whom_staff_suspends_can_neither_sign_in_nor_go_on(
    place: Place, auth: Auth, alice: Somebody
) -> None:
    person = await auth.somebody()
    assert (await person.auth.get("/auth/sessions")).status == 200

    assert await stand(alice.other("support"), person, "suspension") == 204

    answer = await auth.login(person.email)
    assert (answer.status, answer.code) == (403, "account_suspended")
    refreshed = await auth.post("/auth/refresh", refresh_token=person.tokens["refresh_token"])
    assert refreshed.status == 401

    async def is_refused() -> bool:
        return (await person.auth.get("/auth/sessions")).status == 401

    async def is_told() -> bool:
        revoked = await place.told_of("session.revoked.v1", person.user_id)
        standings = await place.told_of("standing.changed.v1", f"user:{person.user_id}")
        return ({each["reason"] for each in revoked}, {each["standing"] for each in standings}) == (
            {"suspended"},
            {"suspended"},
        )

    await eventually(is_refused)
    await eventually(is_told)

    admin = alice.other("admin")
    assert await stand(admin, person, "reinstatement") == 204
    assert (await auth.login(person.email)).status == 200
    # What ended stays ended.
    assert (await person.auth.get("/auth/sessions")).status == 401


async def test_an_operator_lets_in_whom_staff_suspended_and_staff_whom_an_operator_did(
    auth: Auth, alice: Somebody
) -> None:
    admin, person = alice.other("admin"), await auth.somebody()
    assert await stand(admin, person, "suspension") == 204
    assert await is_shown_suspended(admin, person)
    assert not (await told("suspend", person.user_id))["is_new"]
    assert (await told("reinstate", person.user_id))["is_new"]
    assert not await is_shown_suspended(admin, person)
    assert (await auth.login(person.email)).status == 200

    assert (await told("suspend", person.user_id))["is_new"]
    assert await is_shown_suspended(admin, person)
    assert (await auth.login(person.email)).status == 403
    assert await stand(admin, person, "reinstatement") == 204
    assert not (await told("reinstate", person.user_id))["is_new"]
    assert (await auth.login(person.email)).status == 200


async def test_staff_is_suspended_by_an_admin_only(auth: Auth, alice: Somebody) -> None:
    admin, support, person = alice.other("admin"), alice.other("support"), await auth.somebody()
    await told("make-admin", person.email, "--role", "kyc-reviewer")
    path = f"/admin/people/{person.user_id}/suspension"

    refused = await support.ask("POST", path, WHY)
    assert (refused.status, refused.code) == (403, "staff_standing")
    assert (await auth.login(person.email)).status == 200

    assert await stand(admin, person, "suspension") == 204
    assert (await auth.login(person.email)).status == 403


async def test_who_cannot_sign_in_cannot_be_suspended(alice: Somebody) -> None:
    stranger = alice.other()
    refused = await alice.other("admin").ask(
        "POST", f"/admin/people/{stranger.person_id}/suspension", WHY
    )
    assert (refused.status, refused.code) == (404, "person_not_found")
