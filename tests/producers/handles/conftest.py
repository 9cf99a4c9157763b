"""A Valkey of the test's own, to be erased, stopped and killed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from titan.servers import Valkey


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    server = Valkey(tmp_path)
    await server.start()
    yield server
    server.kill()
