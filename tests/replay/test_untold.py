"""Nobody is told anything again: not by a replay, nor by stages that read all of the log anew."""

from datetime import timedelta
from typing import Any
from uuid import uuid4, uuid5

import pytest
from aiokafka import AIOKafkaConsumer

from domain.client import client_of
from domain.notification import Channel
from producers.notifications import devices
from producers.notifications.courier import Courier
from producers.notifications.devices import Device
from producers.notifications.letters import Desk
from producers.notifications.templates import Templates
from producers.notifications.unsubscribing import Links
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.topics import group_of
from tests.producers.notifications.parts import Basket
from tests.replay.people import life, opening
from tests.replay.place import Place
from tests.support.events import ALICE
from tests.support.vaults import memory_vault

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

STAGES = ("payment_projection", "notifications", "event_feed", "webhooks")
TABLES = ("notifications", "notification_deliveries", "feed_events", "webhook_deliveries")
PAYER = 1
EARLY = timedelta(minutes=1)


async def told(place: Place) -> dict[str, list[Any]]:
    """All that was ever planned for anybody, and what became of it."""
    return {
        table: await place.owner.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES
    }


async def rewind(place: Place, stage: str) -> None:
    """Let a stage begin anew where its topics begin."""
    ends = await place.ends(stage)
    group = place.prefix + group_of(stage)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=place.bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(list(ends))
        await consumer.commit(dict.fromkeys(ends, 0))
    finally:
        await consumer.stop()


async def test_what_was_pushed_is_pushed_once_however_often_the_log_is_read(place: Place) -> None:
    person_id, clock = uuid4(), SystemClock()
    vault, basket = memory_vault(bytes(32), clock=clock), Basket()
    index = uuid4().hex * 2
    device_id = devices.device_id_of(person_id, "apns", index)
    binding = devices.binding_of(device_id, person_id)
    [token] = await vault.seal_for(person_id, [(binding, "0" * 64)])
    device = Device(device_id, person_id, "apns", str(token), index, clock.now())
    await devices.register(place.owner, device)
    await place.owner.execute(
        "INSERT INTO webhook_endpoints (endpoint_id, client_id, url_sealed, event_types,"
        " is_ordered, created_at) VALUES ($1, 'demo', 'nowhere', '{}', false, $2)",
        uuid4(),
        clock.now() - EARLY,
    )
    await place.tell(opening(uuid5(ALICE, str(PAYER)), client_id=client_of(person_id)))
    async with place.living("account_opening"):
        await place.until_done("account_opening")
    await place.tell(*life(PAYER), *life(PAYER, is_refused=True))
    async with place.living(*STAGES):
        await place.until_done(*STAGES)
    database = await Database.connect(place.dsn, name="courier")
    try:
        desk = Desk(vault, Templates(), Links(vault, "https://titan.example"))
        courier = Courier(database, desk, {Channel.APNS: basket}, clock=clock)
        await courier.carry_once(Channel.APNS)
        assert len(basket.letters) == 2
        before = await told(place)
        assert all(before.values())

        for options in (["--projection", "all"], ["--projection", "payments", "--swap"]):
            code, said = await place.titan("replay", *options)
            assert code == 0, said
            assert await courier.carry_once(Channel.APNS) == 0

        for stage in STAGES:
            await rewind(place, stage)
        async with place.living(*STAGES):
            await place.until_done(*STAGES)
        assert await courier.carry_once(Channel.APNS) == 0
    finally:
        await database.close()

    assert len(basket.letters) == 2
    assert await told(place) == before
