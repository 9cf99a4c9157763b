"""One Titan for all storms, started by the first and stopped after the last."""

import random
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.storm.place import Storm, open_storm


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def storm() -> AsyncIterator[Storm]:
    """A running Titan with people who have money."""
    async with open_storm(random.getrandbits(32)) as place:
        yield place
