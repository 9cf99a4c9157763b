"""Redis or Valkey as a cache: never the memory of what was done, so its absence is no error."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from domain.errors import Unavailable
from runtime import limits
from runtime.circuit import Circuit
from runtime.clock import Clock

Answer = TypeVar("Answer")

_CONNECTIONS_MAX: Final = 32

# The event loop (uvloop) says a RuntimeError of a connection that has just been closed, until the
# client library has heard of it.
_ABSENT: Final = (RedisError, OSError, RuntimeError)


class ServerRun:
    """Asks each new connection which run of which server it has reached."""

    def __init__(self) -> None:
        self.run_id: str | None = None

    async def on_connect(self, connection: AbstractConnection) -> None:
        """Before the connection's first command."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        answer: bytes = await connection.read_response()
        _, _, rest = answer.decode().partition("run_id:")
        self.run_id = rest.split("\r\n", 1)[0]


class Cache:
    """A client behind a circuit: a server that is down or slow is treated as absent."""

    def __init__(
        self, redis: Redis | None, *, prefix: str, clock: Clock, run: ServerRun | None = None
    ) -> None:
        self._redis = redis
        self._run = run or ServerRun()
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
        run = ServerRun()
        redis = Redis.from_url(
            url,
            decode_responses=False,
            redis_connect_func=run.on_connect,
            # Once, at once: a pooled connection may have died while it was idle.
            retry=Retry(NoBackoff(), 1),
            socket_connect_timeout=limits.CACHE_CONNECT_S_MAX,
            socket_timeout=limits.CACHE_CONNECT_S_MAX,
            max_connections=_CONNECTIONS_MAX,
            protocol=2,
        )
        return cls(redis, prefix=prefix, clock=clock, run=run)

    @property
    def run_id(self) -> str | None:
        """Which run of which server was reached last; None before the first.

        Another run may have come up with older contents than were last seen or written.
        """
        return self._run.run_id

    async def ask(self, question: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        """What `question` reads or writes; Unavailable, at once or soon, if the cache is absent."""
        redis = self._redis
        if redis is None:
            raise Unavailable("there is no cache")

        async def asked() -> Answer:
            try:
                return await question(redis)
            except _ABSENT as error:
                raise Unavailable(f"cache: {type(error).__name__}") from error

        return await self._circuit.ask(asked)

    async def ping(self) -> None:
        """Unavailable if the server does not answer; not bound by the circuit."""
        if self._redis is None:
            raise Unavailable("there is no cache")
        try:
            await self._redis.ping()
        except _ABSENT as error:
            raise Unavailable(f"cache: {type(error).__name__}") from error

    async def close(self) -> None:
        """Give the connections up."""
        if self._redis is not None:
            await self._redis.aclose()
