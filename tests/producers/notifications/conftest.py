from collections.abc import AsyncIterator

import pytest

from runtime.database import Database
from tests.producers.notifications.place import Person, Place


@pytest.fixture
async def place(database_dsn: str) -> AsyncIterator[Place]:
    """The stage, the edge and the courier; nothing that another test left is due any more."""
    database = await Database.connect(database_dsn, name="tests", size=4)
    place = Place(database, database_dsn)
    await place.execute("DELETE FROM notification_deliveries")
    async with place.edge():
        yield place
    await database.close()


@pytest.fixture
async def ada(place: Place) -> Person:
    """Somebody with a device who is told amounts."""
    ada = await place.person()
    await ada.device()
    await ada.prefer(push_detail="amount")
    return ada
