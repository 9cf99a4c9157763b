"""Processes of Titan that a test kills, and that are started again each time."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.settings import Settings

ROOT = Path(__file__).parents[2]


def environment(settings: Settings) -> dict[str, str]:
    """The variables of a process that works with these servers and topics."""
    assert settings.postgres_dsn is not None
    assert settings.redis_url is not None
    return os.environ | {
        "TITAN_KAFKA_BOOTSTRAP": str(settings.kafka_bootstrap),
        "TITAN_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
        "TITAN_REDIS_URL": settings.redis_url.get_secret_value(),
        "TITAN_TOPIC_PREFIX": settings.topic_prefix,
        "TITAN_DATA_DIRECTORY": str(settings.data_directory),
    }


class Victim:
    """`python -m` with these arguments, for as long as the block of `running`."""

    def __init__(self, settings: Settings, variables: Mapping[str, str], *arguments: str) -> None:
        self._environment = environment(settings) | dict(variables)
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self.deaths = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started again whenever it ends."""
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    def kill(self) -> None:
        """kill -9, if it lives."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            self.deaths += 1

    async def _keep(self) -> None:
        while True:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._arguments,
                cwd=ROOT,
                env=self._environment,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await self._process.wait()
