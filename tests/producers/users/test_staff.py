"""What staff sees and does, on real servers; each act leaves its trace."""

from functools import partial
from uuid import UUID, uuid4

import pytest

from runtime.vault import Forgotten
from schemas.person import ContactKind
from tests.producers.users import papers
from tests.producers.users.place import Place, Somebody
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

WHY = {"reason": "asked for by ticket 4711"}


async def acts_about(place: Place, about: str) -> list[tuple[str, str]]:
    """What was done to it, by whom."""
    async with place.database() as database, database.connection() as connection:
        rows = await connection.fetch(
            "SELECT action, actor FROM audit_acts WHERE object = $1 ORDER BY acted_at", about
        )
    return [(row[0], row[1]) for row in rows]


async def test_a_person_is_found_by_a_whole_address_however_it_is_spelled(
    place: Place, alice: Somebody
) -> None:
    support, address = alice.other("support"), f"{alice.person_id}@example.com"
    await alice.ask("PATCH", "/users/me", {"email": address})
    bob = alice.other()
    await bob.ask("PATCH", "/users/me", {"email": address})
    await alice.post("/users/me/contacts/email/code")
    await alice.post(
        "/users/me/contacts/email/verification", {"code": place.code_of(alice, "email")}
    )

    found = await support.post("/admin/people/search", {"email": f" {address.upper()} "})

    assert found["data"] == [
        {"person_id": str(alice.person_id), "is_verified": True},
        {"person_id": str(bob.person_id), "is_verified": False},
    ]
    part = await support.post("/admin/people/search", {"email": f"x{address}"})
    assert part["data"] == []
    for body in ({}, {"email": address, "phone": "+14155552671"}):
        assert (await support.ask("POST", "/admin/people/search", body)).status == 422
    acts = await acts_about(place, f"{ContactKind.EMAIL}:2")
    assert ("person.search", support.client_id) in acts


async def test_whoever_has_only_registered_is_shown_with_nothing(
    place: Place, alice: Somebody
) -> None:
    support, path = alice.other("support"), f"/admin/people/{alice.person_id}"
    assert (await support.ask("GET", path)).code == "person_not_found"
    await place.let_sign_in(alice)

    shown = await support.get(path)

    assert (shown["tier"], shown["has"], shown["created_at"]) == ("unverified", [], None)
    assert shown["is_suspended"] is False


async def test_a_person_is_shown_by_halves_and_revealed_with_a_reason_and_a_trace(
    place: Place, alice: Somebody
) -> None:
    admin, support = alice.other("admin"), alice.other("support")
    await alice.ask("PATCH", "/users/me", {"ssn": "219-09-9999", "legal_name": "Ada Lovelace"})
    path = f"/admin/people/{alice.person_id}"
    shown = await support.get(path)
    assert (shown["has"], shown["ssn"]) == (["legal_name", "ssn"], "***-**-9999")
    assert "Lovelace" not in str(shown)
    assert (await support.ask("POST", f"{path}/reveal", {"field": "ssn", **WHY})).status == 403
    assert (await admin.ask("POST", f"{path}/reveal", {"field": "ssn"})).status == 422
    assert (await admin.ask("POST", f"{path}/reveal", {"field": "phone", **WHY})).status == 404
    assert await acts_about(place, f"person:{alice.person_id}") == []

    revealed = await admin.post(f"{path}/reveal", {"field": "ssn", **WHY})

    assert revealed["value"] == "219099999"
    assert await acts_about(place, f"person:{alice.person_id}") == [
        ("person.reveal-ssn", admin.client_id)
    ]

    async def is_told() -> bool:
        return bool(await place.told("staff.acted.v1", alice))

    await eventually(is_told)
    [act] = await place.told("staff.acted.v1", alice)
    assert "4711" not in str(act)
    assert (await admin.ask("GET", f"/admin/people/{uuid4()}")).code == "person_not_found"


async def test_a_suspension_is_told_to_every_edge_and_lifted_by_an_admin(
    place: Place, alice: Somebody
) -> None:
    admin, support = alice.other("admin"), alice.other("support")
    path = f"/admin/people/{alice.person_id}"
    await place.let_sign_in(alice)
    assert (await support.ask("POST", f"{path}/suspension", WHY)).status == 204
    assert (await support.ask("POST", f"{path}/reinstatement", WHY)).status == 403
    assert (await admin.get(path))["is_suspended"] is True
    assert (await admin.ask("POST", f"{path}/reinstatement", WHY)).status == 204
    own = await support.ask("POST", f"/admin/people/{support.person_id}/suspension", WHY)
    assert (own.status, own.code) == (403, "own_standing")

    async def is_told() -> bool:
        told = await place.told("standing.changed.v1", alice)
        return [each["standing"] for each in told] == ["suspended", "active"]

    await eventually(is_told)


async def test_an_order_to_freeze_reaches_the_ledger_by_the_log_and_so_does_its_lifting(
    place: Place, alice: Somebody
) -> None:
    admin = alice.other("admin")
    async with place.stages("account_opening", "account_freezing"):
        wallet = await alice.post("/users/me/wallets", {"currency": "USD"})
        assert (wallet["state"], wallet["balance"]) == ("open", 0)
        assert (await alice.post("/users/me/wallets", {"currency": "USD"}))["id"] == wallet["id"]
        path = f"/admin/accounts/{wallet['id']}"
        reason = {"reason": "suspected_fraud"}
        assert (await admin.ask("POST", f"{path}/freeze", reason)).status == 202

        async def stands(state: str) -> bool:
            shown: str = (await admin.get(path))["state"]
            return shown == state

        await eventually(lambda: stands("frozen"))
        [mine] = (await alice.get("/users/me/wallets"))["data"]
        assert mine["state"] == "frozen"
        # However close they come, the later one stands.
        for last in ("unfreeze", "freeze", "unfreeze"):
            await admin.post(f"{path}/{last}", {"reason": "settled"})
        await eventually(lambda: stands("open"))
        assert [action for action, _ in await acts_about(place, f"account:{wallet['id']}")] == [
            *("account.freeze", "account.unfreeze"),
            *("account.freeze", "account.unfreeze"),
        ]
    gone = await admin.ask("POST", f"/admin/accounts/{uuid4()}/freeze", reason)
    assert (gone.status, gone.code) == (404, "account_not_found")


async def test_wallets_are_ones_own_and_hold_money_only(place: Place, alice: Somebody) -> None:
    async with place.stages("account_opening"):
        ids = {
            (await alice.post("/users/me/wallets", {"currency": each}))["id"]
            for each in ("USD", "EUR")
        }
    shown = (await alice.get("/users/me/wallets"))["data"]
    assert {each["id"] for each in shown} == ids
    assert (await alice.other().get("/users/me/wallets"))["data"] == []
    unknown = await alice.ask("POST", "/users/me/wallets", {"currency": "XXX"})
    assert unknown.code == "unknown_currency"


async def test_of_a_forgotten_person_nothing_opens_and_nothing_can_be_written(
    place: Place, alice: Somebody
) -> None:
    admin, reviewer = alice.other("admin"), alice.other("kyc-reviewer")
    address = f"{alice.person_id}@example.com"
    await alice.ask("PATCH", "/users/me", {"legal_name": "Ada Lovelace", "email": address})
    document = (await alice.send(papers.png(), "image/png")).document["id"]
    path = f"/admin/people/{alice.person_id}"

    assert (await admin.ask("POST", f"{path}/forgetting", WHY)).status == 204

    found = await admin.post("/admin/people/search", {"email": address})
    assert found["data"] == []
    assert (await admin.get(path))["has"] == []
    link = (await reviewer.post(f"/admin/kyc/documents/{document}/links"))["href"]
    assert (await reviewer.ask("GET", link)).code == "document_gone"
    again = await alice.ask("PATCH", "/users/me", {"legal_name": "Ada"})
    assert (again.status, again.code) == (422, Forgotten().code)
    assert (await alice.send(papers.png(), "image/png")).code == Forgotten().code
    async with place.database() as database, database.connection() as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM people_contacts WHERE person_id = $1", alice.person_id
        )
        keys = await connection.fetchval(
            "SELECT count(key_sealed) FROM kyc_documents WHERE document_id = $1", UUID(document)
        )
    assert (left, keys) == (0, 0)


async def test_who_registered_and_told_nothing_since_can_be_forgotten(
    place: Place, alice: Somebody
) -> None:
    admin, path = alice.other("admin"), f"/admin/people/{alice.person_id}/forgetting"
    assert (await admin.ask("POST", path, WHY)).code == "person_not_found"
    async with place.database() as database, database.connection() as connection:
        await connection.execute(
            "INSERT INTO auth_users (user_id, email_index, email_sealed, display_name_sealed,"
            " registered_at) VALUES ($1, $2, 'sealed', 'sealed', now())",
            alice.person_id,
            alice.person_id.hex * 2,
        )

        assert (await admin.ask("POST", path, WHY)).status == 204

        [kept] = await connection.fetch(
            "SELECT email_index, email_sealed, display_name_sealed FROM auth_users"
            " WHERE user_id = $1",
            alice.person_id,
        )
    assert tuple(kept) == (None, None, None)
    assert (await admin.ask("POST", path, WHY)).status == 204

    async def is_told() -> bool:
        told = await place.told("standing.changed.v1", alice)
        return [each["standing"] for each in told[:1]] == ["revoked"]

    await eventually(is_told)


@pytest.mark.timeout(60)
async def test_an_address_that_was_a_forgotten_persons_handle_is_whoevers_it_is_next(
    place: Place, alice: Somebody
) -> None:
    admin, again = alice.other("admin"), alice.other()
    address = f"{alice.person_id}@example.com"

    async def is_claimed_by(somebody: Somebody) -> bool:
        wallet = await somebody.post("/users/me/wallets", {"currency": "USD"})
        own = {"kind": "email", "account_id": wallet["id"], "display_name": "Ada"}
        return (await somebody.ask("POST", "/users/me/handles", own)).status == 201

    async with place.stages("account_opening", "handle_directory"):
        await _prove(place, alice, address)
        assert await is_claimed_by(alice)

        path = f"/admin/people/{alice.person_id}/forgetting"
        assert (await admin.ask("POST", path, WHY)).status == 204

        await _prove(place, again, address)
        await eventually(lambda: is_claimed_by(again), timeout_s=30)
    [order] = await place.told("handle.release-requested.v1", alice)
    assert order["handle"].startswith("email.")
    assert address not in str(order)
    [standing] = await eventually(partial(place.told, "standing.changed.v1", alice))
    assert (standing["principal"], standing["standing"]) == (alice.client_id, "revoked")


async def _prove(place: Place, somebody: Somebody, address: str) -> None:
    await somebody.ask("PATCH", "/users/me", {"email": address})
    await somebody.post("/users/me/contacts/email/code")
    code = place.code_of(somebody, "email")
    await somebody.post("/users/me/contacts/email/verification", {"code": code})
