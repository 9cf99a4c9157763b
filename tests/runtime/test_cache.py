"""A cache that goes away in the worst moment is absent, and nothing else."""

import contextlib

import pytest
import uvloop

from domain.errors import Unavailable
from runtime import limits
from runtime.cache import Cache
from runtime.clock import SystemClock

pytestmark = pytest.mark.real


def test_a_connection_closed_under_a_question_makes_the_cache_absent(redis_url: str) -> None:
    """In the loop that edges run on, whose transports then raise errors of their own."""
    uvloop.run(asked_on_a_closed_connection(redis_url))


async def asked_on_a_closed_connection(url: str) -> None:
    cache = Cache.at(url, prefix="", clock=SystemClock())
    await cache.ping()
    assert cache._redis is not None
    for connection in cache._redis.connection_pool._available_connections:
        assert connection._writer is not None
        connection._writer.transport.abort()

    with contextlib.suppress(Unavailable):
        await cache.ask(lambda redis: redis.ping())
    await SystemClock().sleep(limits.CACHE_REST_S)

    assert await cache.ask(lambda redis: redis.ping())
    await cache.close()
