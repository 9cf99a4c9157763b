"""Nothing about a person stands in clear outside the process: not kept, not logged, not told.

Canaries fly through every door; then everything that a Titan keeps or tells is searched for them in
every form. A leak that is planted in each of these places is found, or the search would show
nothing.
"""

import base64
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
import redis.asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry, Counter, start_http_server

from tests.canaries.flows import Flows
from tests.canaries.forms import Canaries, needles_of
from tests.canaries.mistakes import Mistakes
from tests.canaries.places import hits, lay_out, metrics_pages, open_up
from tests.support.asgi import Answer
from tests.support.whole_titan import WholeTitan
from titan.servers.ports import free_port

REFUSALS_MIN = 500
pytestmark = [pytest.mark.hostile, pytest.mark.timeout(240)]


async def test_nothing_personal_is_kept_or_told_in_clear(titan: WholeTitan, tmp_path: Path) -> None:
    await open_up(titan)
    async with Flows(titan, Canaries.drawn()) as flows:
        await flows.claim_and_pay()
        await flows.sign_in()
        await flows.be_known()
        await flows.be_payable()
        await flows.be_told()
        await Mistakes(flows).make()
        await flows.die()

    await lay_out(titan, tmp_path, answers=flows.refusals, metrics=metrics_pages(titan))

    assert len(flows.refusals) > REFUSALS_MIN
    needles = flows.canaries.needles() | needles_of(flows.shown)
    found = hits(needles, [titan.directory, tmp_path])
    assert not found, "\n".join(found)


async def test_a_leak_in_any_of_these_places_is_found(titan: WholeTitan, tmp_path: Path) -> None:
    await open_up(titan)
    planted = {place: Canaries.drawn() for place in PLACES}
    await _leak_by_kafka(titan, planted)
    await _leak_by_postgres(titan, planted)
    async with redis.asyncio.Redis.from_url(titan.endpoints["redis_url"]) as cache:
        await cache.set("leak", planted["cache"].ssn.replace("-", ""))
        await cache.hset("leaks", "who", planted["saved cache"].email)
    with (titan.directory / "logs" / "leak.log").open("w") as log:
        log.write(f'{{"event": "hello {quote(planted["log"].email, safe="")}"}}\n')
    registry = CollectorRegistry()
    Counter("leak", "A leak.", ["who"], registry=registry).labels(planted["metrics"].phone).inc()
    port = free_port()
    server, thread = start_http_server(port, "127.0.0.1", registry)
    answer = Answer(422, {}, planted["answer"].bank_number.encode().hex().encode())

    try:
        await lay_out(titan, tmp_path, answers=[answer], metrics=[f"http://127.0.0.1:{port}"])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    for place, canaries in planted.items():
        found = hits(canaries.needles(), [titan.directory, tmp_path])
        assert [line for line in found if PLACES[place] in line], (place, found)


PLACES = {
    "record": f"/kafka leaks-0 {0:020}: ",
    "header": f"/kafka leaks-0 {0:020}: ",
    "dead letter": f"/kafka leaks.dlq-0 {0:020}: ",
    "row": "/postgres: ",
    "bytes of a row": "/postgres: ",
    "write-ahead log": "/pg_wal/",
    "cache": "/cache: ",
    "saved cache": "/dump.rdb: ",
    "log": "/logs/leak.log: ",
    "metrics": "/metrics: ",
    "answer": "/answers: ",
}
"""Where a planted leak must be seen."""


async def _leak_by_kafka(titan: WholeTitan, planted: dict[str, Canaries]) -> None:
    bootstrap = titan.endpoints["kafka_bootstrap"]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1) for name in ("leaks", "leaks.dlq")])
    await admin.close()
    sealed = base64.b64encode(f"x{planted['record'].description}y".encode())
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4")
    await producer.start()
    try:
        headers = [("who", planted["header"].legal_name.encode())]
        await producer.send_and_wait("leaks", sealed * 20, headers=headers)
        letter = planted["dead letter"].display_name.lower().encode()
        await producer.send_and_wait("leaks.dlq", letter)
    finally:
        await producer.stop()


async def _leak_by_postgres(titan: WholeTitan, planted: dict[str, Canaries]) -> None:
    parts = urlsplit(titan.endpoints["postgres_dsn"])
    connection = await asyncpg.connect(f"postgresql://postgres@{parts.netloc.split('@')[-1]}/titan")
    await connection.execute("CREATE TABLE leaks (words text, raw bytea)")
    row = (planted["row"].description, planted["bytes of a row"].street.encode())
    await connection.execute("INSERT INTO leaks VALUES ($1, $2)", *row)
    # Gone again before anybody looks: only the log of what was written still tells.
    await connection.execute("CREATE TABLE gone (words text)")
    await connection.execute("INSERT INTO gone VALUES ($1)", planted["write-ahead log"].email)
    await connection.execute("DROP TABLE gone")
    await connection.close()
