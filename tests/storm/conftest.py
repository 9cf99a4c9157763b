"""One Titan for all storms, started by the first and stopped after the last."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.storm.people import bring_in
from tests.storm.place import Storm, open_storm


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def storm(pytestconfig: pytest.Config) -> AsyncIterator[Storm]:
    """A running Titan with people who have money."""
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")
    writer = pytestconfig.get_terminal_writer()

    def tell(line: str) -> None:
        with capture.global_and_fixture_disabled():
            writer.line(line)

    async with open_storm(random.getrandbits(32), tell=tell) as place:
        await bring_in(place)
        yield place
