"""Waiting until every process of a Titan that starts says that it works."""

import asyncio
from collections.abc import Mapping
from typing import Final

import httpx

from runtime.clock import Clock
from titan.servers.errors import ServerStartError
from titan.supervisor import Supervisor

READY_S_MAX: Final = 60.0
"""Edges and stages are ready within so long of topics and tables being there."""

DEATHS_AT_START_MAX: Final = 3
"""A process that died so often before everything was ready will not get better by itself."""

_POLL_S: Final = 0.05
_ASK_S_MAX: Final = 2.0


async def until_ready(urls: Mapping[str, str], supervisor: Supervisor, clock: Clock) -> None:
    """Wait until each program's URL answers, looking after all of them meanwhile.

    ServerStartError, with the last words of the program, where one does not start.
    """
    waiting = dict(urls)
    deadline_s = clock.monotonic_s() + READY_S_MAX
    async with httpx.AsyncClient(timeout=_ASK_S_MAX, trust_env=False) as client:
        while waiting:
            supervisor.tend()
            for child in supervisor.children:
                late = clock.monotonic_s() > deadline_s and child.program.name in waiting
                if late or child.deaths >= DEATHS_AT_START_MAX:
                    raise ServerStartError(
                        f"{child.program.name} does not start: {child.last_words()}. "
                        f"Its log: {child.log_path}"
                    )
            answers = [_answers(client, name, url) for name, url in waiting.items()]
            for name in await asyncio.gather(*answers):
                waiting.pop(name, None)
            await clock.sleep(_POLL_S)


async def _answers(client: httpx.AsyncClient, name: str, url: str) -> str:
    """The name if it is ready, else nothing."""
    try:
        answer = await client.get(url)
    except httpx.HTTPError:
        return ""
    return name if answer.is_success else ""
