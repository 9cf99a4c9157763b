"""What is no handle, no name or no request is refused in our own words, and goes nowhere."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio

from runtime.http.body import fingerprint_of
from runtime.publisher import MemoryPublisher
from schemas.event import Position
from schemas.handle import HandleClaimRequested, HandlePortRequested, HandleReleaseRequested
from schemas.wire import Message, decode
from tests.producers.handles.place import Edge, edge_alone
from tests.support.asgi import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCOUNT = "5f0f9a36-1c8f-4f0a-8c52-0d5ab1f30d5a"
CLAIM = {"handle": "alice", "account_id": ACCOUNT, "display_name": "Alice"}

BAD_HANDLES = [
    "",
    "a",
    "@",
    "@@alice",
    "\u0430lice",  # Cyrillic a
    "al\u0456ce",  # Ukrainian i
    "ali\u200bce",  # zero-width space
    "ali\u200dce",
    "\ufeffalice",
    "\u202eecila",  # right-to-left override
    "\u0627\u0628",
    "al ice",
    "alice ",
    "alice\n",
    "alice\x00",
    "a" * 33,
    "a" * 300,
    "\ufdfa" * 20,  # each unfolds to 18 characters
    "../alice",
    "..%2falice",
    "alice/../bob",
    "-alice",
    ".alice",
    "alice'--",
    "'; DROP TABLE directory_handles; --",
    '" OR 1=1',
    "{{7*7}}",
    "${jndi:ldap://x}",
    "%s%s%n",
    "<script>",
    "alice|1|x",
    "alice:x",
    "\U0001f600ice",
    "\u00e4lice",
]
"""None of them may ever reach a query, a cache key or a log."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def alone() -> AsyncIterator[tuple[Edge, MemoryPublisher]]:
    async with edge_alone() as alone:
        yield alone


def is_refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("handle", BAD_HANDLES)
async def test_what_only_looks_like_a_handle_is_refused_everywhere(
    alone: tuple[Edge, MemoryPublisher], handle: str
) -> None:
    edge, log = alone
    answers = [await edge.resolve(handle), await edge.claim(handle, ACCOUNT)]
    if handle and "/" not in handle:
        path = quote(handle, safe="")
        answers += [
            await edge.ask("DELETE", f"/handles/{path}"),
            await edge.port(path, ACCOUNT),
            await edge.ask("GET", f"/handles/{path}/history"),
        ]

    for answer in answers:
        # A percent sign that the path had decoded may leave nothing that names a route.
        if answer.status != 404:
            is_refused(answer, 422, "invalid_handle")
        assert len(handle) < 3 or handle not in answer.body.decode()
    assert answers[0].status == answers[1].status == 422
    assert not log.published


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 81,
        "e\u0301" * 200,
        "Ali\nce",
        "Ali\tce",
        "Alice\x00",
        "Ali\u200bce",
        "\u202eecilA",
        "Ali\u2028ce",
        "\ue000",
        "\u0085",
    ],
)
async def test_a_name_that_hides_something_is_refused(
    alone: tuple[Edge, MemoryPublisher], name: str
) -> None:
    edge, log = alone

    is_refused(await edge.claim("alice", ACCOUNT, name=name), 422, "invalid_display_name")
    assert not log.published


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"account_id": "no-uuid"}, 422, "invalid_body"),
        ({"account_id": 7}, 422, "invalid_body"),
        ({"account_id": None}, 422, "invalid_body"),
        ({"handle": 7}, 422, "invalid_body"),
        ({"handle": None}, 422, "invalid_body"),
        ({"display_name": ["Alice"]}, 422, "invalid_body"),
        ({"version": 1}, 422, "invalid_body"),
        ({"handle": "x" * 5_000}, 422, "invalid_body"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused(
    alone: tuple[Edge, MemoryPublisher], changes: dict[str, Any], status: int, code: str
) -> None:
    edge, log = alone

    is_refused(await edge.ask("POST", "/handles", CLAIM | changes), status, code)
    assert not log.published


async def test_every_fault_is_told_at_once(alone: tuple[Edge, MemoryPublisher]) -> None:
    edge, _ = alone

    answer = await edge.claim("-", ACCOUNT, name="\x07")

    assert [fault["pointer"] for fault in answer.document["errors"]] == ["/handle", "/display_name"]


@pytest.mark.parametrize("query", ["", "?handle=alice&handle=bob", "?Handle=alice"])
async def test_a_look_up_names_one_handle(alone: tuple[Edge, MemoryPublisher], query: str) -> None:
    edge, _ = alone

    is_refused(await edge.ask("GET", f"/handles/resolve{query}"), 422, "invalid_parameter")


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1e1", "x", "1_0"])
async def test_a_page_has_a_sound_limit(alone: tuple[Edge, MemoryPublisher], limit: str) -> None:
    edge, _ = alone

    answer = await edge.ask("GET", f"/handles/alice/history?limit={limit}")

    is_refused(answer, 422, "invalid_parameter")


async def test_a_made_up_cursor_is_refused(alone: tuple[Edge, MemoryPublisher]) -> None:
    edge, _ = alone

    is_refused(await edge.ask("GET", "/handles/alice/history?cursor=AAAA"), 400, "invalid_cursor")


async def test_with_every_server_down_a_look_up_is_unavailable_and_a_claim_is_taken_in(
    alone: tuple[Edge, MemoryPublisher],
) -> None:
    edge, log = alone
    log.published.clear()

    is_refused(await edge.resolve("alice"), 503, "unavailable")
    answer = await edge.ask("POST", "/handles", CLAIM, key="a key", prefer="wait=0")
    is_refused(answer, 400, "invalid_idempotency_key")
    answer = await edge.ask("POST", "/handles", CLAIM, key="a-key", prefer="wait=0")

    assert answer.status == 202
    assert answer.headers["location"] == f"/handles/requests/{answer.document['request_id']}"
    assert (await edge.ask("GET", "/health")).status == 200
    [message] = log.published
    log.published.clear()
    event = event_of(HandleClaimRequested, message)
    assert fingerprint_of(CLAIM).encode() not in message.value
    assert (event.handle, str(event.account_id)) == ("alice", ACCOUNT)
    assert b"Alice" not in message.value
    assert message.key == b"alice"


async def test_the_same_key_names_the_same_request_and_another_body_another_event(
    alone: tuple[Edge, MemoryPublisher],
) -> None:
    edge, log = alone
    log.published.clear()

    for body in (CLAIM, dict(reversed(CLAIM.items())), CLAIM | {"display_name": "Mallory"}):
        await edge.ask("POST", "/handles", body, key="k", prefer="wait=0")
    await edge.as_client("other").ask("POST", "/handles", CLAIM, key="k", prefer="wait=0")
    await edge.ask("POST", "/handles/alice/port", {"account_id": ACCOUNT}, key="k", prefer="wait=0")
    await edge.ask("DELETE", "/handles/alice", key="k", prefer="wait=0")
    await edge.ask("DELETE", "/handles/bob", key="k", prefer="wait=0")

    headers = [dict(message.headers) for message in log.published]
    first, again, reused, *others = [header["idempotency_id"] for header in headers]
    assert first == again == reused
    assert len({first, *others}) == 5
    assert headers[0]["ce_id"] == headers[1]["ce_id"] != headers[2]["ce_id"]
    event_of(HandlePortRequested, log.published[4])
    event_of(HandleReleaseRequested, log.published[5])
    log.published.clear()


async def test_a_key_is_made_where_none_is_sent_and_demanded_where_that_is_set() -> None:
    async with edge_alone() as (edge, _):
        answer = await edge.ask("POST", "/handles", CLAIM, prefer="wait=0")
        assert answer.status == 202
        assert answer.headers["idempotency-key"]
    async with edge_alone(require_idempotency_key=True) as (edge, log):
        is_refused(await edge.ask("POST", "/handles", CLAIM), 400, "idempotency_key_required")
        assert not log.published


async def test_the_api_describes_every_route(alone: tuple[Edge, MemoryPublisher]) -> None:
    edge, _ = alone
    paths = (await edge.ask("GET", "/openapi.json")).document["paths"]

    assert {"/handles", "/handles/resolve", "/handles/{handle}/port"} <= paths.keys()
    assert (await edge.ask("GET", "/v1/handles/resolve?handle=-")).code == "invalid_handle"
    assert (await edge.ask("POST", "/handles/resolve")).status == 405
    assert (await edge.ask("GET", f"/handles/requests/{uuid4()}x")).status == 404


def event_of(model: Any, message: Message) -> Any:
    return decode(
        model,
        Position(message.topic, 0, 0),
        key=message.key,
        value=message.value,
        headers=message.headers,
    ).event
