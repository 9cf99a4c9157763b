"""Accepting payments on real Kafka, PostgreSQL and Valkey: one key is one payment."""

import asyncio
import json
from collections import Counter

import pytest
import uvicorn
from pydantic import SecretStr
from redis.asyncio import Redis

from producers.payments.app import make_app
from producers.payments.decide import payment_id_for
from tests.producers.payments.place import Place
from tests.producers.payments.router import BODY
from tests.support.alone import NOBODY
from tests.support.asgi import Answer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

NO_CACHE = {"redis_url": SecretStr(f"redis://{NOBODY}")}
NO_DATABASE = {"postgres_dsn": SecretStr(f"postgresql://nobody@{NOBODY}/nothing")}
OTHER_BODY = BODY | {"amount": 999}


def said(answer: Answer) -> tuple[int, bytes]:
    return answer.status, answer.body


async def test_twenty_at_once_with_one_key_at_two_processes_are_one_payment(
    place: Place, key: str
) -> None:
    async with place.router() as one, place.router() as other:
        answers = await asyncio.gather(
            *(router.post(key=key) for router in [one, other] for _ in range(10))
        )

    assert Counter(map(said, answers)) == {said(answers[0]): 20}
    assert answers[0].status == 202
    assert len(set(await place.requested(answers[0].document["id"]))) == 1


@pytest.mark.parametrize("without", ["nothing", "cache", "database", "cache and database"])
async def test_twenty_at_once_with_one_key_are_one_payment_whatever_is_down(
    place: Place, key: str, without: str
) -> None:
    changes = (NO_CACHE if "cache" in without else {}) | (
        NO_DATABASE if "database" in without else {}
    )
    async with place.router(**changes) as router:
        answers = await asyncio.gather(*(router.post(key=key) for _ in range(20)))

    assert Counter(map(said, answers)) == {said(answers[0]): 20}
    assert answers[0].status == 202
    assert len(await place.requested(answers[0].document["id"])) == 1


async def test_a_repeat_is_answered_from_the_cache(place: Place, key: str) -> None:
    async with place.router() as router:
        first = await router.post(key=key)

    async with place.router(**NO_DATABASE) as router:
        again = await router.post(key=key)

    assert said(again) == said(first)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await place.requested(first.document["id"])) == 1


@pytest.mark.parametrize("cache", ["erased", "down"])
async def test_a_repeat_is_answered_from_the_projection(place: Place, key: str, cache: str) -> None:
    async with place.router() as router, place.projection():
        first = await router.post(key=key)
        await place.projected(first.document["id"])
    await erase(place)

    async with place.router(**(NO_CACHE if cache == "down" else {})) as router:
        again = await router.post(key=key)
        other = await router.post(OTHER_BODY, key=key)

    assert said(again) == said(first)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (422, "idempotency_key_reuse")
    assert len(await place.requested(first.document["id"])) == 1


async def test_another_body_under_a_used_key_is_refused_and_not_published(
    place: Place, key: str
) -> None:
    async with place.router() as router:
        first = await router.post(key=key)
        answer = await router.post(OTHER_BODY, key=key)

    assert (answer.status, answer.code) == (422, "idempotency_key_reuse")
    assert len(await place.requested(first.document["id"])) == 1


async def test_racing_bodies_at_two_processes_have_one_winner(place: Place, key: str) -> None:
    async with place.router() as one, place.router() as other:
        for number in range(5):
            answers = await asyncio.gather(
                one.post(key=f"{key}-{number}"), other.post(OTHER_BODY, key=f"{key}-{number}")
            )
            accepted, refused = sorted(answers, key=lambda answer: answer.status)
            assert (accepted.status, refused.code) == (202, "idempotency_key_reuse")
            assert len(await place.requested(accepted.document["id"])) == 1


async def test_a_repeat_is_known_after_the_cache_was_erased_even_before_the_projection(
    place: Place, key: str
) -> None:
    async with place.router() as router:
        first = await router.post(key=key)
        await erase(place)
        again = await router.post(key=key)

    assert said(again) == said(first)
    # Published twice, as the same event: the first stage handles it once.
    assert len(set(await place.requested(first.document["id"]))) == 1


async def test_keys_of_two_clients_do_not_meet(place: Place, key: str) -> None:
    async with place.router() as router:
        mine = await router.post(key=key)
        theirs = await router.post(OTHER_BODY, key=key, headers=[("test-client", "shop")])

    assert (mine.status, theirs.status) == (202, 202)
    assert mine.document["id"] != theirs.document["id"]


async def test_a_client_that_hangs_up_at_once_has_paid_all_the_same(place: Place, key: str) -> None:
    app = make_app(place.settings)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", http="httptools")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    body = json.dumps(BODY).encode()
    payment_id = str(payment_id_for("demo", key))

    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /payments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s" % (key.encode(), len(body), body)
    )
    await writer.drain()
    writer.transport.abort()

    async def is_published() -> bool:
        return len(await place.requested(payment_id)) == 1

    await eventually(is_published)
    server.should_exit = True
    await serving


async def erase(place: Place) -> None:
    """FLUSHDB: nothing that was in the cache may be missed."""
    assert place.settings.redis_url is not None
    redis = Redis.from_url(place.settings.redis_url.get_secret_value())
    await redis.flushdb()
    await redis.aclose()
