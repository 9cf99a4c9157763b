"""Each contract runs against every adapter."""

from collections.abc import AsyncIterator

import pytest

from tests.contracts.ledger_place import Place, memory_place, postgres_place


@pytest.fixture
def place_dsn(request: pytest.FixtureRequest) -> str | None:
    """The database of the adapter that the parameter names; None for memory."""
    if request.param == "memory":
        return None
    assert request.param == "postgres"
    dsn: str = request.getfixturevalue("database_dsn")
    return dsn


@pytest.fixture
async def place(place_dsn: str | None) -> AsyncIterator[Place]:
    """The ledger under test."""
    if place_dsn is None:
        yield memory_place()
    else:
        async with postgres_place(place_dsn) as place:
            yield place
