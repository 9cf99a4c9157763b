"""Redis or Valkey as a cache: never the memory of what was done, so its absence is no error."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.errors import Unavailable
from runtime import limits
from runtime.circuit import Circuit
from runtime.clock import Clock

Answer = TypeVar("Answer")

_CONNECTIONS_MAX: Final = 32


class Cache:
    """A client behind a circuit: a server that is down or slow is treated as absent."""

    def __init__(self, redis: Redis | None, *, prefix: str, clock: Clock) -> None:
        self._redis = redis
        self.prefix = prefix
        """Put before every key, so that deployments can share a server."""
        self._circuit = Circuit(
            wait_s_max=limits.CACHE_COMMAND_S_MAX, rest_s=limits.CACHE_REST_S, clock=clock
        )

    @classmethod
    def at(cls, url: str | None, *, prefix: str, clock: Clock) -> "Cache":
        """A cache at a URL; without one it is always absent.

        Nothing connects yet, so a server that is down is met at first use.
        """
        if url is None:
            return cls(None, prefix=prefix, clock=clock)
        redis = Redis.from_url(
            url,
            decode_responses=False,
            socket_connect_timeout=limits.CACHE_CONNECT_S_MAX,
            socket_timeout=limits.CACHE_CONNECT_S_MAX,
            max_connections=_CONNECTIONS_MAX,
            protocol=2,
        )
        return cls(redis, prefix=prefix, clock=clock)

    async def ask(self, question: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        """What `question` reads or writes; Unavailable, at once or soon, if the cache is absent."""
        redis = self._redis
        if redis is None:
            raise Unavailable("there is no cache")

        async def asked() -> Answer:
            try:
                return await question(redis)
            except (RedisError, OSError) as error:
                raise Unavailable(f"cache: {type(error).__name__}") from error

        return await self._circuit.ask(asked)

    async def ping(self) -> None:
        """Unavailable if the server does not answer; not bound by the circuit."""
        if self._redis is None:
            raise Unavailable("there is no cache")
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise Unavailable(f"cache: {type(error).__name__}") from error

    async def close(self) -> None:
        """Give the connections up."""
        if self._redis is not None:
            await self._redis.aclose()
