"""The pool as the process that it is in production: its own loop, its signals, and kill -9."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.producers.webhook_delivery.place import Place
from tests.support.sink import Say
from tests.support.waiting import eventually
from titan.servers.ports import free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

ROOT = Path(__file__).parents[3]
START_S_MAX = 40.0


@asynccontextmanager
async def process(place: Place) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A process of the pool, and where it says how it is."""
    settings, port = place.settings, free_port()
    assert settings.postgres_dsn is not None
    assert settings.vault_key is not None
    environment = {
        **os.environ,
        "TITAN_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
        "TITAN_VAULT_KEY": settings.vault_key.get_secret_value(),
        "TITAN_DATA_DIRECTORY": str(settings.data_directory),
        "TITAN_METRICS_PORT": str(port),
    }
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titan.pool", "webhook_delivery"),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield started, f"http://127.0.0.1:{port}"
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_a_process_delivers_says_how_it_is_and_ends_what_it_began(place: Place) -> None:
    async with place.sink(lambda _: Say(wait_s=0.5)) as sink, process(place) as (pool, url):
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=3)
        await eventually(lambda: len(sink.received) == 3, timeout_s=START_S_MAX)
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{url}/health")).json()["status"] == "up"
            assert "titan_webhook_late_seconds" in (await http.get(f"{url}/metrics")).text
        pool.send_signal(signal.SIGTERM)
        assert await pool.wait() == 0
        deliveries = await place.deliveries(endpoint)
        assert {(each["state"], each["attempts"]) for each in deliveries} == {("delivered", 1)}


async def test_what_a_killed_process_had_in_hand_another_delivers_under_the_same_ids(
    place: Place,
) -> None:
    async with place.sink(lambda _: Say(hangs=True)) as sink:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=4)
        async with process(place) as (killed, _):
            await eventually(lambda: len(sink.received) == 4, timeout_s=START_S_MAX)
            killed.kill()
            await killed.wait()
        sink.answer = lambda _: Say()
        async with process(place):

            async def all_delivered() -> bool:
                return all(
                    each["state"] == "delivered" for each in await place.deliveries(endpoint)
                )

            await eventually(all_delivered, timeout_s=START_S_MAX)
    assert set(Counter(sink.ids()).values()) == {2}
    assert len({each.body for each in sink.received}) == 4
