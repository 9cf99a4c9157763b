"""The Payment Router over a log in memory, with everything else down."""

from collections.abc import AsyncIterator

import pytest

from tests.producers.payments.router import Router, router_in_memory


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    """Publishes into memory; no broker, database or cache answers."""
    async with router_in_memory() as router:
        yield router
