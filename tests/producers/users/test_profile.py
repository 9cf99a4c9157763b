"""A person's own profile and contacts, on real servers."""

from typing import Any

import pytest

from runtime.contact_handles import handle_of
from runtime.http.body import fingerprint_of
from runtime.vault import load_vault
from tests.producers.users.place import Place, Somebody
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

ADA = {
    "legal_name": "  Ada   Lovelace",
    "date_of_birth": "1990-12-10",
    "ssn": "219-09-9999",
    "email": "Ada.Canary@Example.COM",
    "phone": "+1 (415) 555-2671",
}


async def test_a_person_reads_what_they_told_and_the_ssn_only_by_its_end(alice: Somebody) -> None:
    assert (await alice.get("/users/me"))["version"] == 0

    answer = await alice.ask("PATCH", "/users/me", ADA)

    assert answer.status == 200, answer
    told = answer.document
    assert told == await alice.get("/users/me")
    assert told["legal_name"] == "Ada Lovelace"
    assert told["date_of_birth"] == "1990-12-10"
    assert told["ssn"] == "***-**-9999"
    assert told["email"] == {"address": "ada.canary@example.com", "is_verified": False}
    assert told["phone"] == {"address": "+14155552671", "is_verified": False}
    assert (told["tier"], told["version"], told["kyc"]) == ("unverified", 1, None)
    assert (await alice.other().get("/users/me"))["legal_name"] is None


async def test_a_field_is_taken_back_by_null_and_let_alone_by_silence(alice: Somebody) -> None:
    await alice.ask("PATCH", "/users/me", ADA)
    answer = await alice.ask("PATCH", "/users/me", {"ssn": None, "phone": None})
    assert answer.document["ssn"] is None
    assert answer.document["phone"] is None
    assert answer.document["legal_name"] == "Ada Lovelace"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "nothing_to_change", None),
        ({"ssn": "000-12-3456"}, "invalid_ssn", "/ssn"),
        ({"email": "nobody"}, "invalid_email", "/email"),
        ({"phone": "12"}, "invalid_phone", "/phone"),
        ({"date_of_birth": "2020-01-01"}, "age_not_served", "/date_of_birth"),
        ({"legal_name": "A\u202eB"}, "invalid_legal_name", "/legal_name"),
        ({"tier": "business"}, "invalid_body", ""),
        ({"email": {"address": "a@b.de"}}, "invalid_body", "/email"),
    ],
)
async def test_what_does_not_fit_is_told_by_field_and_not_repeated(
    alice: Somebody, body: dict[str, Any], code: str, pointer: str | None
) -> None:
    answer = await alice.ask("PATCH", "/users/me", body)
    assert (answer.status, answer.code) == (422, code)
    assert [fault["pointer"] for fault in answer.document["errors"]] == (
        [] if pointer is None else [pointer]
    )
    typed = [text for text in body.values() if len(text) > 2]
    assert all(text.encode() not in answer.body for text in typed)


async def test_nothing_of_it_is_in_clear_in_the_tables_or_on_the_log(
    place: Place, alice: Somebody
) -> None:
    await alice.ask("PATCH", "/users/me", ADA)

    async def is_told() -> bool:
        return bool(await place.told("person.changed.v1", alice))

    await eventually(is_told)
    event = (await place.told("person.changed.v1", alice))[0]
    assert event["fields"] == ["date_of_birth", "legal_name", "ssn", "email", "phone"]
    async with place.database() as database, database.connection() as connection:
        rows = await connection.fetch(
            "SELECT p::text FROM people p UNION ALL SELECT c::text FROM people_contacts c"
        )
    written = " ".join(row[0] for row in rows).lower() + str(event).lower()
    for canary in ("lovelace", "1990", "219099999", "219-09", "example.com", "4155552671"):
        assert canary not in written


async def test_a_code_proves_a_contact_once_and_the_newest_one_only(
    place: Place, alice: Somebody
) -> None:
    await alice.ask("PATCH", "/users/me", {"email": "ada@example.com"})
    assert (await alice.ask("POST", "/users/me/contacts/phone/code")).code == "contact_unknown"
    sent = await alice.ask("POST", "/users/me/contacts/email/code")
    assert sent.status == 202, sent
    again = await alice.ask("POST", "/users/me/contacts/email/code")
    assert (again.status, again.code) == (429, "code_too_soon")
    assert 0 < int(again.headers["retry-after"]) <= 30
    code = place.code_of(alice, "email")
    wrong = f"{(int(code) + 1) % 10**6:06}"

    path = "/users/me/contacts/email/verification"
    assert (await alice.ask("POST", path, {"code": wrong})).code == "code_wrong"
    verified = await alice.ask("POST", path, {"code": code})

    assert verified.document["email"]["is_verified"] is True
    assert (await alice.ask("POST", path, {"code": code})).code == "contact_verified"

    async def is_told() -> bool:
        return bool(await place.told("person.contact-verified.v1", alice))

    await eventually(is_told)


async def test_five_wrong_codes_spend_the_right_one(place: Place, alice: Somebody) -> None:
    await alice.ask("PATCH", "/users/me", {"phone": "+14155552671"})
    await alice.ask("POST", "/users/me/contacts/phone/code")
    code = place.code_of(alice, "phone")
    wrong = f"{(int(code) + 1) % 10**6:06}"
    path = "/users/me/contacts/phone/verification"
    for _ in range(5):
        assert (await alice.ask("POST", path, {"code": wrong})).code == "code_wrong"
    assert (await alice.ask("POST", path, {"code": code})).code == "code_spent"


async def test_a_contact_is_one_persons_and_only_who_proves_it_learns_that(
    place: Place, alice: Somebody
) -> None:
    bob = alice.other()
    path = "/users/me/contacts/email/verification"
    for somebody in (alice, bob):
        await somebody.ask("PATCH", "/users/me", {"email": f"{bob.person_id}@example.com"})
        await somebody.post("/users/me/contacts/email/code")
    await alice.post(path, {"code": place.code_of(alice, "email")})
    code = place.code_of(bob, "email")
    wrong = f"{(int(code) + 1) % 10**6:06}"

    assert (await bob.ask("POST", path, {"code": wrong})).code == "code_wrong"
    taken = await bob.ask("POST", path, {"code": code})
    assert (taken.status, taken.code) == (409, "contact_taken")


async def test_a_changed_contact_is_not_verified_and_its_handle_is_given_up(
    place: Place, alice: Somebody
) -> None:
    await alice.ask("PATCH", "/users/me", {"email": "old@example.com"})
    await alice.post("/users/me/contacts/email/code")
    await alice.post(
        "/users/me/contacts/email/verification", {"code": place.code_of(alice, "email")}
    )
    changed = await alice.ask("PATCH", "/users/me", {"email": "new@example.com"})
    assert changed.document["email"] == {"address": "new@example.com", "is_verified": False}

    async def is_told() -> bool:
        return bool(await place.told("handle.release-requested.v1", alice))

    await eventually(is_told)
    [order] = await place.told("handle.release-requested.v1", alice)
    assert order["client_id"] == alice.client_id
    assert order["handle"].startswith("email.")
    assert "example" not in str(order)


async def test_a_verified_contact_is_a_handle_that_the_log_cannot_read(
    place: Place, alice: Somebody
) -> None:
    address = f"{alice.person_id}@Example.com"
    own = {"display_name": "Ada", "account_id": ""}
    async with place.stages("account_opening", "handle_directory"):
        own["account_id"] = (await alice.post("/users/me/wallets", {"currency": "USD"}))["id"]
        await alice.ask("PATCH", "/users/me", {"email": address})
        unproven = await alice.ask("POST", "/users/me/handles", {"kind": "email", **own})
        assert (unproven.status, unproven.code) == (409, "contact_not_verified")
        await alice.post("/users/me/contacts/email/code")
        code = place.code_of(alice, "email")
        await alice.post("/users/me/contacts/email/verification", {"code": code})

        claimed = await alice.post("/users/me/handles", {"kind": "email", **own})

        assert (claimed["state"], claimed["version"]) == ("claimed", 1)
        tag = f"t{alice.person_id.hex[:12]}"
        tagged = {"kind": "tag", "handle": f"@{tag}", **own}
        await alice.post("/users/me/handles", tagged)
        shown = (await alice.get("/users/me/handles"))["data"]
        assert {each["handle"]: each["kind"] for each in shown} == {
            claimed["handle"]: "email",
            tag: "tag",
        }
        bob = alice.other()
        taken = await bob.ask("POST", "/users/me/handles", {"kind": "tag", "handle": tag, **own})
        assert taken.status == 409
        for kept_back in (claimed["handle"], "resolve"):
            body = {"kind": "tag", "handle": kept_back, **own}
            assert (await bob.ask("POST", "/users/me/handles", body)).code == "handle_reserved"
    vault = load_vault(place.settings)
    assert handle_of(f" {address.upper()} ", vault) == claimed["handle"]
    for event in await place.told("handle.claim-requested.v1", alice):
        assert "example" not in str(event).lower()
        # Nobody else can try whose name stood in the body.
        assert fingerprint_of(tagged) not in str(event)
