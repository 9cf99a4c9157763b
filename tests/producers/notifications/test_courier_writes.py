"""What the courier writes down: in the end, once, and nothing of what is another's by then."""

from datetime import datetime
from typing import Any

import pytest

from domain.errors import Defect, Unavailable
from domain.notification import Channel
from producers.notifications import deliveries, limits
from producers.notifications.channels.port import Refused
from producers.notifications.deliveries import End
from runtime.database import Connection
from tests.producers.notifications.place import Person, Place, posted

pytestmark = pytest.mark.real


async def test_what_has_left_does_not_leave_again_because_the_database_was_away(
    place: Place, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await place.plan(posted(await place.person(), ada))
    real_end, ended = deliveries.end, 0

    async def end(connection: Connection, *told: Any, now: datetime) -> None:
        nonlocal ended
        ended += 1
        if ended in (2, 3):
            raise ConnectionResetError
        await real_end(connection, *told, now=now)

    monkeypatch.setattr(deliveries, "end", end)
    letters = place.baskets[Channel.APNS].letters
    for _ in range(2):
        with pytest.raises(Unavailable):
            await place.courier.carry_once(Channel.APNS)
        place.pass_time(seconds=limits.CLAIM_S + 1)

    assert await place.carry() == []
    assert len(letters) == len({letter.delivery_id for letter in letters}) == 3
    assert await place.ends_of(ada) == [("sent", None)] * 3


async def test_what_nobody_can_write_down_does_not_stop_what_comes_after_it(
    place: Place, ada: Person
) -> None:
    for _ in range(2):
        await place.plan(posted(await place.person(), ada))
    # PostgreSQL keeps no such text, whoever tries it however often.
    place.baskets[Channel.APNS].fates = [Refused("a \0")]
    with pytest.raises(Defect):
        await place.courier.carry_once(Channel.APNS)
    assert await place.carry() == []
    assert sorted(await place.ends_of(ada)) == [("sent", None), ("waiting", None)]


async def test_who_is_late_changes_nothing_that_another_has_claimed_since(
    place: Place, ada: Person
) -> None:
    await place.plan(posted(await place.person(), ada))
    basket, now = place.baskets[Channel.APNS], place.clock.now()
    async with place.database.connection() as connection:
        [late] = await deliveries.claim(connection, Channel.APNS, now=now, limit=1)
    place.pass_time(seconds=limits.CLAIM_S + 1)
    now = place.clock.now()
    async with place.database.connection() as connection:
        [other] = await deliveries.claim(connection, Channel.APNS, now=now, limit=1)
        await deliveries.postpone(connection, late, "late", due_at=now, is_tried=True)
        await deliveries.end(connection, late, End.REFUSED, "late", now=now)
    assert await place.carry() == []
    assert await place.ends_of(ada) == [("waiting", None)]

    async with place.database.connection() as connection:
        await deliveries.end(connection, other, End.SENT, None, now=now)
    assert await place.ends_of(ada) == [("sent", None)]
    assert basket.letters == []
