"""Handle Resolution on real servers, the directory stage beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from faststream import FastStream
from pydantic import SecretStr

from consumers.handle_directory import app as handle_directory
from producers.handles.decide import DISPLAY_NAME_PURPOSE, Origin, claim_of, message_of
from producers.handles.models import ClaimBody
from runtime.app import stage_app
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.http.body import fingerprint_of
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from tests.producers.handles.place import Edge, edge_at, open_account
from tests.support.asgi import Answer
from tests.support.waiting import eventually
from titan.servers import Endpoints

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@dataclass
class Place:
    """The edge, its settings, and two accounts of the client demo in USD and EUR."""

    edge: Edge
    settings: Settings
    database: Database
    usd: UUID
    eur: UUID

    def stage(self) -> FastStream:
        return stage_app("handle_directory", handle_directory.build, self.settings)


@asynccontextmanager
async def running(app: FastStream) -> AsyncIterator[None]:
    await app.start()
    try:
        yield
    finally:
        await app.stop()


@pytest.fixture
async def place(
    endpoints: Endpoints, database_dsn: str, redis_url: str, topic_prefix: str
) -> AsyncIterator[Place]:
    handle_topics = [topic for topic in topic_map().topics if topic.name.startswith("handle.")]
    used = topic_map().model_copy(update={"topics": handle_topics})
    await apply_topics(endpoints.kafka_bootstrap, used, prefix=topic_prefix)
    settings = Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=SecretStr(database_dsn),
        redis_url=SecretStr(redis_url),
        topic_prefix=topic_prefix,
        vault_key=SecretStr("A" * 43 + "="),
    )
    database = await Database.connect(database_dsn, name="tests")
    usd = await open_account(database)
    eur = await open_account(database, currency="EUR")
    async with edge_at(settings) as edge:
        yield Place(edge, settings, database, usd, eur)
    await database.close()


@pytest.fixture
async def running_place(place: Place) -> AsyncIterator[Place]:
    async with running(place.stage()):
        yield place


@pytest.fixture
def handle() -> str:
    """One that no other test uses."""
    return f"h{uuid4().hex[:12]}"


def is_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer.body


async def test_a_handle_lives_from_claim_to_release(running_place: Place, handle: str) -> None:
    place, edge = running_place, running_place.edge
    is_problem(await edge.resolve(handle), 404, "handle_unknown")

    claimed = await edge.claim(f"@{handle.upper()}", place.usd, name="Al\u0069\u0301ce \U0001f98a")
    assert claimed.status == 201, claimed.body
    resolved = await edge.resolve(handle)
    assert resolved.document == {
        "handle": handle,
        "account_id": str(place.usd),
        "display_name": "Al\u00edce \U0001f98a",
        "currency": "USD",
        "version": 1,
    }
    assert (await edge.resolve(f"@{handle.upper()}")).body == resolved.body

    ported = await edge.port(handle, place.eur)
    assert (ported.status, ported.document["version"]) == (200, 2)
    resolved = await edge.resolve(handle)
    assert resolved.document["account_id"] == str(place.eur)
    assert resolved.document["display_name"] == "Al\u00edce \U0001f98a"
    assert (resolved.document["currency"], resolved.document["version"]) == ("EUR", 2)

    released = await edge.release(handle)
    assert (released.status, released.document["version"]) == (200, 3)
    is_problem(await edge.resolve(handle), 404, "handle_unknown")

    claimed = await edge.claim(handle, place.usd)
    assert (claimed.status, claimed.document["version"]) == (201, 4)


async def test_of_racing_claims_one_wins(running_place: Place, handle: str) -> None:
    place, edge = running_place, running_place.edge
    answers = await asyncio.gather(
        *(edge.claim(handle, (place.usd, place.eur)[number % 2]) for number in range(20))
    )

    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
    [winner] = [answer for answer in answers if answer.status == 201]
    assert {answer.code for answer in answers if answer is not winner} == {"handle_taken"}
    resolved = await edge.resolve(handle)
    assert resolved.document["account_id"] == winner.document["account_id"]


async def test_strangers_can_look_but_not_touch(running_place: Place, handle: str) -> None:
    place, edge = running_place, running_place.edge
    stranger = edge.as_client("stranger")
    theirs = await open_account(place.database, client="stranger")
    claimed = await edge.claim(handle, place.usd, key=handle)
    location = claimed.headers["location"]

    assert (await stranger.resolve(handle)).status == 200
    is_problem(await stranger.port(handle, theirs), 404, "handle_unknown")
    is_problem(await stranger.release(handle), 404, "handle_unknown")
    is_problem(await stranger.ask("GET", f"/handles/{handle}/history"), 404, "handle_unknown")
    is_problem(await stranger.ask("GET", location), 404, "request_not_found")
    is_problem(await stranger.claim(f"{handle}2", place.usd), 422, "account_unknown")
    is_problem(await edge.port(handle, theirs), 422, "account_unknown")
    is_problem(await edge.port(handle, place.usd), 409, "same_account")
    assert (await edge.ask("GET", location)).document == claimed.document


async def test_a_repeat_gets_the_first_answer_and_another_body_is_refused(
    running_place: Place, handle: str, redis_url: str
) -> None:
    place, edge = running_place, running_place.edge
    first = await edge.claim(handle, place.usd, key=f"{handle}-one")
    taken = await edge.claim(handle, place.eur, key=f"{handle}-two")
    await edge.release(handle)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.flushdb()

    again = await edge.claim(handle, place.usd, key=f"{handle}-one")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    is_problem(taken, 409, "handle_taken")
    is_problem(await edge.claim(handle, place.eur, key=f"{handle}-two"), 409, "handle_taken")
    for key in (f"{handle}-one", f"{handle}-two"):
        answer = await edge.claim(handle, place.usd, name="Mallory", key=key)
        is_problem(answer, 422, "idempotency_key_reuse")
    is_problem(await edge.resolve(handle), 404, "handle_unknown")


async def test_a_repeat_of_what_was_decided_before_fingerprints_were_keyed_is_a_repeat(
    running_place: Place, handle: str
) -> None:
    place, edge = running_place, running_place.edge
    resources = edge.app.state.resources
    body = {"handle": handle, "account_id": str(place.usd), "display_name": "Alice"}
    older = claim_of(
        ClaimBody(handle=handle, account_id=place.usd, display_name="Alice"),
        Origin("demo", handle, fingerprint_of(body), None),
    )
    sealed = resources.vault.seal("Alice", DISPLAY_NAME_PURPOSE)
    message = message_of(older, now=SystemClock().now(), display_name_sealed=sealed)
    await resources.publisher.publish([message], deadline_s=10)
    path = f"/handles/requests/{older.request_id}"
    assert (await edge.ask("GET", path, prefer="wait=10")).status == 200
    again = await edge.claim(handle, place.usd, key=handle)
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")
    answer = await edge.claim(handle, place.eur, key=handle)
    is_problem(answer, 422, "idempotency_key_reuse")


async def test_twenty_at_once_with_one_key_are_one_claim(running_place: Place, handle: str) -> None:
    edge = running_place.edge
    answers = await asyncio.gather(
        *(edge.claim(handle, running_place.usd, key=handle) for _ in range(20))
    )

    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert (await edge.resolve(handle)).document["version"] == 1


async def test_history_pages_back_through_claims_and_ports(
    running_place: Place, handle: str
) -> None:
    place, edge = running_place, running_place.edge
    await edge.claim(handle, place.usd)
    for account_id in (place.eur, place.usd, place.eur):
        await edge.port(handle, account_id)
    await edge.claim(handle, place.usd)

    found = []
    path = f"/handles/{handle}/history?limit=3"
    while True:
        page = (await edge.ask("GET", path)).document
        found += [(change["state"], change["version"]) for change in page["data"]]
        if not page["has_more"]:
            break
        path = f"/handles/{handle}/history?limit=3&cursor={page['next_cursor']}"

    assert found == [("ported", 4), ("ported", 3), ("ported", 2), ("claimed", 1)]


async def test_without_the_stage_a_claim_is_pending_and_decided_later(
    place: Place, handle: str
) -> None:
    edge = place.edge
    answer = await edge.ask(
        "POST",
        "/handles",
        {"handle": handle, "account_id": str(place.usd), "display_name": "Alice"},
        prefer="wait=0",
    )
    assert answer.status == 202
    location = answer.headers["location"]
    assert (await edge.ask("GET", location)).document == answer.document

    waiting = asyncio.create_task(edge.ask("GET", location, prefer="wait=10"))
    async with running(place.stage()):
        decided = await waiting

    assert (decided.document["state"], decided.document["version"]) == ("claimed", 1)


async def test_a_change_reaches_the_cache_of_every_process_within_a_second(
    running_place: Place, handle: str
) -> None:
    place, edge = running_place, running_place.edge
    clock = SystemClock()
    async with edge_at(place.settings) as other:
        await edge.claim(handle, place.usd)
        for account_id in (place.eur, place.usd) * 3:
            assert (await other.resolve(handle)).status == 200
            await edge.port(handle, account_id)
            told_s = clock.monotonic_s()
            while (await other.resolve(handle)).document["account_id"] != str(account_id):
                assert clock.monotonic_s() - told_s < 1.0


async def test_hits_are_answered_without_the_database_and_names_are_cached_sealed(
    running_place: Place, handle: str, redis_url: str
) -> None:
    place, edge = running_place, running_place.edge
    await edge.claim(handle, place.usd, name="Canary Name")
    await place.database.close()

    async def hits() -> float:
        text = (await edge.ask("GET", "/metrics")).body.decode()
        name = 'titan_cache_lookups_total{cache="handles",result="hit"} '
        [line] = [line for line in text.splitlines() if line.startswith(name)]
        return float(line.removeprefix(name))

    async def is_hit() -> bool:
        before = await hits()
        assert (await edge.resolve(handle)).status == 200
        return await hits() > before

    await eventually(is_hit)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        async for key in client.scan_iter(match=f"{place.settings.topic_prefix}*"):
            if await client.type(key) == b"string":
                assert b"Canary" not in (await client.dump(key) or b"")


async def test_the_answer_is_the_same_with_no_cache_at_all(
    running_place: Place, handle: str
) -> None:
    place = running_place
    settings = place.settings.model_copy(update={"redis_url": None})
    async with edge_at(settings) as edge:
        assert (await edge.claim(handle, place.usd)).status == 201
        with_cache = await place.edge.resolve(handle)
        without = await edge.resolve(handle)
        assert without.body == with_cache.body
        assert (await edge.release(handle)).status == 200
        is_problem(await edge.resolve(handle), 404, "handle_unknown")
