"""From an unknown person to a verified one, on real servers."""

import asyncio
from functools import partial
from uuid import UUID, uuid4

import pytest

from domain.document import DOCUMENT_BYTES_MAX
from runtime.documents import limits
from tests.producers.users import papers
from tests.producers.users.place import Place, Somebody
from tests.support.asgi import Answer, call
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

IDENTITY = {"legal_name": "Ada Lovelace", "date_of_birth": "1990-12-10", "ssn": "219-09-9999"}
REVIEWER = "kyc-reviewer"


async def submitted(alice: Somebody, tier: str = "verified") -> str:
    """A person's case, with all that it takes."""
    answer = await alice.ask("PATCH", "/users/me", IDENTITY)
    assert answer.status == 200, answer
    sent = await alice.send(papers.jpeg(), "image/jpeg")
    assert sent.status == 201, sent
    case: str = (await alice.post("/users/me/kyc/submissions", {"tier": tier}))["id"]
    return case


async def test_two_reviewers_make_a_person_verified_and_the_log_tells_each_step(
    place: Place, alice: Somebody
) -> None:
    first, second = alice.other(REVIEWER), alice.other(REVIEWER)
    case = await submitted(alice)
    path = f"/admin/kyc/cases/{case}"
    assert (await first.ask("POST", f"{path}/approve")).code == "wrong_case_state"

    assert (await first.post(f"{path}/take"))["state"] == "in_review"
    proposed = await first.post(f"{path}/approve")
    assert (proposed["state"], proposed["proposed_by"]) == ("in_review", first.client_id)
    again = await first.ask("POST", f"{path}/approve")
    assert (again.status, again.code) == (403, "second_reviewer_required")
    assert (await alice.get("/users/me"))["tier"] == "unverified"
    approved = await second.post(f"{path}/approve")

    assert approved["state"] == "approved"
    me = await alice.get("/users/me")
    assert (me["tier"], me["kyc"]["state"]) == ("verified", "approved")
    fixed = await alice.ask("PATCH", "/users/me", {"legal_name": "Somebody Else"})
    assert (fixed.status, fixed.code) == (409, "identity_verified")

    versions = []
    # Each topic is waited for: what went to another one later may be in its log before.
    for topic in ("submitted", "review-started", "approval-proposed", "approved"):
        [event] = await eventually(partial(place.told, f"kyc.{topic}.v1", alice))
        versions.append(event["version"])
    assert versions == [1, 2, 3, 4]
    [tier] = await eventually(partial(place.told, "person.tier-changed.v1", alice))
    assert (tier["tier"], tier["version"], tier["case_id"]) == ("verified", 1, case)


async def test_nobody_decides_their_own_case(alice: Somebody) -> None:
    case = await submitted(alice)
    staff_alice = Somebody(alice.app, alice.person_id, (REVIEWER,))
    answer = await staff_alice.ask("POST", f"/admin/kyc/cases/{case}/take")
    assert (answer.status, answer.code) == (403, "own_case")


async def test_of_reviewers_at_once_one_takes_the_case_and_two_approve_it(alice: Somebody) -> None:
    case = await submitted(alice)
    reviewers = [alice.other(REVIEWER) for _ in range(6)]
    takes = [each.ask("POST", f"/admin/kyc/cases/{case}/take") for each in reviewers]
    taken = [answer.status for answer in await asyncio.gather(*takes)]
    assert sorted(taken) == [200, 409, 409, 409, 409, 409]
    approvals = [each.ask("POST", f"/admin/kyc/cases/{case}/approve") for each in reviewers]
    states = [
        answer.document["state"]
        for answer in await asyncio.gather(*approvals)
        if answer.status == 200
    ]
    assert sorted(states) == ["approved", "in_review"]


async def test_what_is_missing_is_asked_for_and_rejection_has_a_reason(alice: Somebody) -> None:
    reviewer = alice.other(REVIEWER)
    assert (
        await alice.ask("POST", "/users/me/kyc/submissions", {"tier": "verified"})
    ).code == "identity_missing"
    await alice.ask("PATCH", "/users/me", IDENTITY)
    assert (
        await alice.ask("POST", "/users/me/kyc/submissions", {"tier": "verified"})
    ).code == "documents_missing"
    case = await submitted(alice)
    path = f"/admin/kyc/cases/{case}"
    again = await alice.ask("POST", "/users/me/kyc/submissions", {"tier": "verified"})
    assert (again.status, again.code) == (409, "wrong_case_state")
    changed = await alice.ask("PATCH", "/users/me", {"ssn": "219-09-9998"})
    assert (changed.status, changed.code) == (409, "identity_in_review")

    await reviewer.post(f"{path}/take")
    assert (await reviewer.ask("POST", f"{path}/reject", {})).status == 422
    await reviewer.post(f"{path}/request-information", {"reason": "document_missing"})
    assert (await alice.get("/users/me/kyc"))["case"]["reason"] == "document_missing"
    assert (await alice.post("/users/me/kyc/submissions", {"tier": "business"}))["id"] == case
    await reviewer.post(f"{path}/take")
    rejected = await reviewer.post(f"{path}/reject", {"reason": "name_differs"})

    assert (rejected["state"], rejected["tier"]) == ("rejected", "business")
    assert (await alice.post("/users/me/kyc/submissions", {"tier": "verified"}))["id"] != case


async def test_the_queue_shows_cases_in_their_order_page_by_page(alice: Somebody) -> None:
    reviewer = alice.other(REVIEWER)
    cases = [await submitted(alice.other()) for _ in range(3)]
    found: list[str] = []
    path = "/admin/kyc/cases?limit=2"
    cursor = ""
    while True:
        page = await reviewer.get(path + cursor)
        found += [each["id"] for each in page["data"]]
        assert all("name" not in key for each in page["data"] for key in each)
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [each for each in found if each in cases] == cases
    other = await alice.other("admin").ask("GET", path + cursor)
    assert other.code == "invalid_cursor"


async def test_a_document_is_kept_sealed_and_given_to_a_reviewer_as_an_attachment(
    place: Place, alice: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = alice.other(REVIEWER)
    sent = await alice.send(papers.png(200, 200), "image/png", kind="proof_of_address")
    assert sent.status == 201, sent
    document = sent.document["id"]
    stored = [path.read_bytes() for path in (place.folder / "documents").rglob("*/*")]
    assert all(b"PNG" not in each and b"IHDR" not in each for each in stored)
    path = f"/admin/kyc/documents/{document}"
    assert (await reviewer.ask("GET", path)).status == 422
    assert (await reviewer.ask("GET", f"{path}?link=made-up")).code == "link_expired"
    href = (await reviewer.post(f"{path}/links"))["href"]

    answer = await reviewer.ask("GET", href)

    assert answer.status == 200, answer
    assert answer.body.startswith(b"\x89PNG")
    assert b"canary" not in answer.body
    assert len(answer.body) == sent.document["size"] == int(answer.headers["content-length"])
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="proof_of_address-{document}.png"'
    )
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert (await alice.other(REVIEWER).ask("GET", href)).code == "link_expired"
    assert (await alice.ask("GET", href)).status == 403
    another = (await alice.send(papers.pdf(), "application/pdf")).document["id"]
    moved = href.replace(document, another)
    assert (await reviewer.ask("GET", moved)).code == "link_expired"
    monkeypatch.setattr("runtime.documents.limits.LINK_S", -1)
    late = (await reviewer.post(f"{path}/links"))["href"]
    assert (await reviewer.ask("GET", late)).code == "link_expired"


async def test_the_same_key_keeps_a_document_once_and_no_other_body(
    place: Place, alice: Somebody
) -> None:
    path, key = "/users/me/kyc/documents?kind=passport", [("idempotency-key", uuid4().hex)]

    async def send(document: bytes) -> tuple[int, object]:
        answer = await alice.ask("POST", path, document, content_type="image/png", headers=key)
        return answer.status, answer.document.get("id") or answer.code

    picture = papers.png()
    answers = await asyncio.gather(*(send(picture) for _ in range(4)))
    kept = {told for status, told in answers if status == 201}
    assert len(kept) == 1
    assert {told for status, told in answers if status != 201} <= {"upload_under_way"}
    assert await send(picture) == (201, *kept)
    assert (await send(papers.png(10, 10)))[1] == "idempotency_key_reuse"
    other = path.replace("passport", "proof_of_address")
    as_other = await alice.ask("POST", other, picture, content_type="image/png", headers=key)
    assert (as_other.status, as_other.code) == (422, "idempotency_key_reuse")
    as_pdf = await alice.ask("POST", path, picture, content_type="application/pdf", headers=key)
    assert (as_pdf.status, as_pdf.code) == (422, "idempotency_key_reuse")
    assert len((await alice.get("/users/me/kyc"))["documents"]) == 1
    reviewer = alice.other(REVIEWER)
    href = (await reviewer.post(f"/admin/kyc/documents/{next(iter(kept))}/links"))["href"]
    assert (await reviewer.ask("GET", href)).status == 200


async def test_a_document_is_refused_before_it_costs_much(alice: Somebody) -> None:
    path = "/users/me/kyc/documents?kind=passport"
    declared = await alice.ask(
        "POST",
        path,
        b"x",
        content_type="image/png",
        headers=[("content-length", str(10 * 1024**3))],
    )
    assert (declared.status, declared.code) == (413, "body_too_large")
    chunk = bytes(1024 * 1024)
    streamed = await alice.ask("POST", path, content_type="image/png", chunks=[chunk] * 11)
    assert (streamed.status, streamed.code) == (413, "body_too_large")
    whole = b"\x89PNG\r\n\x1a\n" + bytes(DOCUMENT_BYTES_MAX - 8)
    assert (await alice.send(whole, "image/png")).code == "document_unreadable"
    for content_type in ("image/svg+xml", "text/html", "application/octet-stream", "image/gif"):
        assert (await alice.send(b"<svg/>", content_type)).status == 415
    assert (await alice.send(papers.png(), "image/png", kind="selfie")).status == 422
    assert (await alice.get("/users/me/kyc"))["documents"] == []


async def test_one_person_who_sends_slowly_takes_one_slot_and_shuts_nobody_out(
    alice: Somebody,
) -> None:
    def begun(somebody: Somebody) -> asyncio.Task[Answer]:
        headers = [("test-client", somebody.client_id), ("content-type", "image/png")]
        path, part = "/users/me/kyc/documents?kind=passport", papers.png()[:100]
        sending = call(somebody.app, "POST", path, headers=headers, chunks=[part], never_ends=True)
        return asyncio.create_task(sending)

    slow = [begun(alice) for _ in range(limits.UPLOADS_MAX)]
    try:
        done, arriving = await asyncio.wait(slow, timeout=2)
        assert len(arriving) == 1
        refused = [each.result() for each in done]
        assert {(each.status, each.code) for each in refused} == {(429, "upload_under_way")}
        assert all(int(each.headers["retry-after"]) > 0 for each in refused)
        assert (await alice.other().send(papers.png(), "image/png")).status == 201
        others = [begun(alice.other()) for _ in range(limits.UPLOADS_MAX)]
        slow += others
        await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        [late] = [each.result() for each in others if each.done()]
        assert (late.status, late.code) == (503, "unavailable")
    finally:
        for each in slow:
            each.cancel()
        await asyncio.wait(slow)
    assert (await alice.send(papers.png(), "image/png")).status == 201


async def test_a_person_keeps_so_many_documents_and_no_more(
    place: Place, alice: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.users.documents.DOCUMENTS_MAX", 2)
    before = len(list((place.folder / "documents").rglob("*/*")))
    for _ in range(2):
        assert (await alice.send(papers.png(), "image/png")).status == 201
    third = await alice.send(papers.png(), "image/png")
    assert (third.status, third.code) == (409, "document_quota")
    assert len(list((place.folder / "documents").rglob("*/*"))) == before + 2


async def test_a_spoilt_document_is_gone_and_nothing_of_it_is_given(
    place: Place, alice: Somebody
) -> None:
    reviewer = alice.other(REVIEWER)
    document = (await alice.send(papers.png(), "image/png")).document["id"]
    async with place.database() as database, database.connection() as connection:
        blob: UUID = await connection.fetchval(
            "SELECT blob_id FROM kyc_documents WHERE document_id = $1", UUID(document)
        )
    [path] = (place.folder / "documents").rglob(blob.hex)
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1])
    link = (await reviewer.post(f"/admin/kyc/documents/{document}/links"))["href"]
    answer = await reviewer.ask("GET", link)
    assert (answer.status, answer.code) == (410, "document_gone")
    path.unlink()
    assert (await reviewer.ask("GET", link)).status == 410
