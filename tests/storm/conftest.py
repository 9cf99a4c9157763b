"""One Titan for all storms, started by the first and stopped after the last."""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.storm.people import bring_in
from tests.storm.place import Storm, open_storm


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def storm(pytestconfig: pytest.Config) -> AsyncIterator[Storm]:
    """A running Titan with people who have money."""
    async with open_storm(random.getrandbits(32)) as place:
        place.tell = pytestconfig.get_terminal_writer().line
        await bring_in(place)
        yield place
