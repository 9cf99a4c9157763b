"""The users' edge: people as they tell of themselves, and as staff deals with them."""

from typing import Any
from uuid import UUID, uuid4

from tests.authorization.ask import REASON, Ask, Make, keyed
from tests.authorization.house import House
from tests.producers.users import papers

DOCUMENTS = "/users/me/kyc/documents"
PASSPORT = f"{DOCUMENTS}?kind=passport"
PNG = {"content-type": "image/png"}
REVIEWER = "kyc-reviewer"
IDENTITY = {"legal_name": "Ann Example", "date_of_birth": "1990-12-10", "ssn": "219-09-9999"}


async def patch_me(_: House) -> Ask:
    return Ask("/users/me", {"legal_name": "Ann Example"})


async def a_person(house: House) -> str:
    """Somebody who can sign in, and has told us their name."""
    person_id = uuid4()
    await house.execute(
        "INSERT INTO auth_users (user_id, email_index, registered_at)"
        " VALUES ($1, $1::uuid::text, now())",
        person_id,
    )
    token = house.token_for(person_id)
    answer = await house.ask("users", token, "PATCH", "/users/me", {"legal_name": "Ann Example"})
    assert answer.status == 200, answer
    return str(person_id)


async def search(_: House) -> Ask:
    return Ask("/admin/people/search", {"email": f"{uuid4().hex}@example.com"})


def of_person(suffix: str, body: Any = None) -> Make:
    async def make(house: House) -> Ask:
        return Ask(f"/admin/people/{await a_person(house)}{suffix}", body)

    return make


def of_account(suffix: str, body: Any = None) -> Make:
    async def make(house: House) -> Ask:
        return Ask(f"/admin/accounts/{house.account_id}{suffix}", body)

    return make


async def post_code(house: House) -> Ask:
    address = {"email": f"{uuid4().hex}@example.com"}
    told = await house.ask("users", "owner", "PATCH", "/users/me", address)
    assert told.status == 200, told
    return Ask("/users/me/contacts/email/code")


async def post_wallet(_: House) -> Ask:
    return Ask("/users/me/wallets", {"currency": "EUR"}, {"prefer": "wait=10"})


async def post_own_handle(house: House) -> Ask:
    body = {
        "kind": "tag",
        "handle": f"t{uuid4().hex[:20]}",
        "account_id": house.account_id,
        "display_name": "Ann",
    }
    return keyed("/users/me/handles", body, prefer="wait=10")


async def post_document(_: House) -> Ask:
    return Ask(PASSPORT, papers.png(), PNG)


async def post_submission(house: House) -> Ask:
    """By then the owner has told and sent what a case takes; nobody else has."""
    if house.kept.setdefault("identity", "untold") == "untold":
        told = await house.ask("users", "owner", "PATCH", "/users/me", IDENTITY)
        sent = await house.ask("users", "owner", "POST", PASSPORT, papers.png(), PNG)
        assert (told.status, sent.status) == (200, 201), (told, sent)
        house.kept["identity"] = "told"
    return Ask("/users/me/kyc/submissions", {"tier": "verified"})


async def a_case(house: House, state: str, proposed_by: str | None = None) -> UUID:
    """Somebody's case."""
    case_id = uuid4()
    await house.execute(
        "INSERT INTO kyc_cases"
        " (case_id, person_id, wanted, state, version, proposed_by, submitted_at, changed_at)"
        " VALUES ($1, $2, 'verified', $3, 1, $4, now(), now())",
        *(case_id, UUID(await a_person(house)), state, proposed_by),
    )
    return case_id


def of_case(suffix: str, body: Any = None, *, state: str = "in_review") -> Make:
    async def make(house: House) -> Ask:
        return Ask(f"/admin/kyc/cases/{await a_case(house, state)}{suffix}", body)

    return make


async def a_document(house: House) -> str:
    """A document of somebody's, kept for all who ask for one."""
    if "document" not in house.kept:
        headers = {"idempotency-key": str(uuid4()), **PNG}
        token = house.token_for(uuid4())
        sent = await house.ask("users", token, "POST", PASSPORT, papers.png(), headers)
        assert sent.status == 201, sent
        house.kept["document"] = sent.document["id"]
    return house.kept["document"]


async def post_link(house: House) -> Ask:
    return Ask(f"/admin/kyc/documents/{await a_document(house)}/links")


async def get_document(house: House) -> Ask:
    """By a link that was made for the reviewer."""
    path = f"/admin/kyc/documents/{await a_document(house)}/links"
    link = await house.ask("users", REVIEWER, "POST", path)
    assert link.status == 201, link
    return Ask(link.document["href"])


PEOPLE_ASKS: dict[str, Make] = {
    "PATCH /users/me": patch_me,
    "POST /users/me/contacts/{kind}/code": post_code,
    "POST /users/me/wallets": post_wallet,
    "POST /users/me/handles": post_own_handle,
    "POST /users/me/kyc/documents": post_document,
    "POST /users/me/kyc/submissions": post_submission,
    "POST /admin/people/search": search,
    "GET /admin/people/{person_id}": of_person(""),
    "POST /admin/people/{person_id}/reveal": of_person(
        "/reveal", {"field": "legal_name", "reason": REASON}
    ),
    "POST /admin/people/{person_id}/suspension": of_person("/suspension", {"reason": REASON}),
    "POST /admin/people/{person_id}/reinstatement": of_person("/reinstatement", {"reason": REASON}),
    "POST /admin/people/{person_id}/forgetting": of_person("/forgetting", {"reason": REASON}),
    "GET /admin/accounts/{account_id}": of_account(""),
    "POST /admin/accounts/{account_id}/freeze": of_account("/freeze", {"reason": "court_order"}),
    "POST /admin/accounts/{account_id}/unfreeze": of_account(
        "/unfreeze", {"reason": "court_order"}
    ),
    "GET /admin/kyc/cases/{case_id}": of_case(""),
    "POST /admin/kyc/cases/{case_id}/take": of_case("/take", state="submitted"),
    "POST /admin/kyc/cases/{case_id}/approve": of_case("/approve"),
    "POST /admin/kyc/cases/{case_id}/reject": of_case("/reject", {"reason": "name_differs"}),
    "POST /admin/kyc/cases/{case_id}/request-information": of_case(
        "/request-information", {"reason": "document_missing"}
    ),
    "POST /admin/kyc/documents/{document_id}/links": post_link,
    "GET /admin/kyc/documents/{document_id}": get_document,
}
