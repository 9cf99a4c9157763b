from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from domain.errors import Unavailable
from runtime.clock import SystemClock
from tests.support.waiting import eventually
from titan.doctor_checks import LAG_SECONDS_MAX, Status, group_line, letters_line
from titan.group_state import GroupReader, GroupState
from titan.servers import Endpoints

TOPIC = "things.happened.v1"
PARTITIONS = 3


class LaterClock(SystemClock):
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=5)


@pytest.mark.real
async def test_records_wait_grow_old_and_are_gone_when_committed(
    endpoints: Endpoints, topic_prefix: str
) -> None:
    bootstrap, topic = endpoints.kafka_bootstrap, topic_prefix + TOPIC
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for number in range(6):
        await producer.send_and_wait(topic, b"it", partition=number % PARTITIONS)
    await producer.stop()

    async def read() -> tuple[GroupState, GroupState]:
        reader = GroupReader(bootstrap=bootstrap, prefix=topic_prefix, clock=LaterClock())
        here, nowhere = await reader.read({"here": {TOPIC: PARTITIONS}, "nowhere": {}})
        return here, nowhere

    here, nowhere = await read()
    assert (here.group, here.members, here.lag_records) == ("here", 0, 6)
    assert 299 < here.oldest_s < 330
    assert nowhere == GroupState(group="nowhere", members=0, lag_records=0, oldest_s=0.0)

    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=topic_prefix + "here",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    seen = 0

    async def all_seen() -> bool:
        nonlocal seen
        seen += sum(len(batch) for batch in (await consumer.getmany(timeout_ms=100)).values())
        return seen == 6

    await eventually(all_seen)
    await consumer.commit()

    here, _ = await read()
    assert here == GroupState(group="here", members=1, lag_records=0, oldest_s=0.0)
    await consumer.stop()


async def test_a_broker_that_is_away_is_unavailable() -> None:
    reader = GroupReader(bootstrap="127.0.0.1:1", prefix="", clock=SystemClock())

    with pytest.raises(Unavailable):
        await reader.read({"here": {TOPIC: PARTITIONS}})


def state(**changes: float) -> GroupState:
    fields = {"members": 1, "lag_records": 0, "oldest_s": 0.0} | changes
    return GroupState(
        group="ledger-posting",
        members=int(fields["members"]),
        lag_records=int(fields["lag_records"]),
        oldest_s=fields["oldest_s"],
    )


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (state(), Status.OK, "1 member; no lag"),
        (state(members=3), Status.OK, "3 members"),
        (state(lag_records=9, oldest_s=1.25), Status.OK, "9 records wait, the oldest for 1.2 s"),
        (state(lag_records=1, oldest_s=LAG_SECONDS_MAX + 1), Status.FAILED, "61.0 s"),
        (state(members=0), Status.FAILED, "the stage does not run"),
    ],
)
def test_a_group_is_well_if_somebody_works_and_nothing_waits_long(
    found: GroupState, status: Status, words: str
) -> None:
    line = group_line(found)

    assert (line.check, line.status) == ("stage ledger-posting", status)
    assert words in line.detail


def test_dead_letters_are_said_and_how_to_see_them() -> None:
    assert letters_line(state()).status is Status.OK
    line = letters_line(state(lag_records=2))
    assert line.status is Status.WARNING
    assert "2 not redriven" in line.detail
    assert "titan dlq list" in line.detail
