"""Who was suspended or revoked is known within a second, and nobody is believed without knowing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest

from domain.errors import Unavailable
from runtime.clock import SystemClock
from runtime.http.caller import Caller, Kind
from runtime.http.problem import ProblemError
from runtime.http.standing import MARGIN, STANDING_WAIT_S, StandingBook, StandingWatch
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.standing import Standing, StandingChanged, session_principal
from schemas.wire import first_message
from tests.support.waiting import eventually
from titan.servers import Endpoints

NOW = SystemClock().now()
ROOM = "producers.payments"


def said(
    principal: str, standing: Standing, *, expires_at: datetime | None = None
) -> StandingChanged:
    return StandingChanged(
        request_id=uuid4(),
        requested_at=NOW,
        principal=principal,
        standing=standing,
        expires_at=expires_at,
    )


def test_the_last_word_about_each_stands() -> None:
    book = StandingBook(clock=SystemClock())

    book.write([said("user:a", Standing.SUSPENDED), said("client:b", Standing.REVOKED)])
    book.write([said("user:a", Standing.ACTIVE)])

    assert (book.of("user:a"), book.of("client:b")) == (Standing.ACTIVE, Standing.REVOKED)
    assert book.of("user:never-named") is Standing.ACTIVE
    assert len(book) == 1


def test_what_can_matter_no_more_is_dropped_and_what_lasts_is_not() -> None:
    book = StandingBook(clock=At(NOW))
    over = NOW - MARGIN - timedelta(seconds=1)
    soon = NOW + timedelta(minutes=10)

    book.write([said(f"session:{number}", Standing.REVOKED, expires_at=over) for number in "abc"])
    assert len(book) == 0

    book.write(
        [
            said("session:d", Standing.REVOKED, expires_at=soon),
            said("user:e", Standing.SUSPENDED),
            # A later word that lasts is not dropped with an earlier one that does not.
            said("session:f", Standing.REVOKED, expires_at=soon),
            said("session:f", Standing.REVOKED),
        ]
    )
    assert len(book) == 3


def test_memory_does_not_grow_with_sessions_that_are_over() -> None:
    clock = At(NOW)
    book = StandingBook(clock=clock)
    for minute in range(600):
        clock.time = NOW + timedelta(minutes=minute)
        expires_at = clock.time + timedelta(minutes=10)
        book.write(
            [
                said(f"session:{minute}.{number}", Standing.REVOKED, expires_at=expires_at)
                for number in range(10)
            ]
        )

    assert len(book) <= 10 * 13


@pytest.mark.parametrize("zone", [UTC, timezone(-timedelta(hours=14))])
def test_a_word_that_holds_till_the_end_of_the_calendar_is_kept_like_any_other(
    zone: timezone,
) -> None:
    """The topic is compacted: a word that broke the book would break it again and again."""
    book = StandingBook(clock=At(NOW))
    book.write(
        [
            said("session:a", Standing.REVOKED, expires_at=datetime.max.replace(tzinfo=zone)),
            said("session:b", Standing.REVOKED, expires_at=datetime.min.replace(tzinfo=zone)),
        ]
    )
    book.write([said("session:c", Standing.REVOKED)])

    assert [book.of(f"session:{name}") for name in "abc"] == [
        Standing.REVOKED,
        Standing.ACTIVE,
        Standing.REVOKED,
    ]


class At(SystemClock):
    """A clock that stands where it was put."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time


class Place:
    """The topic of standings, of this test's own."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.settings = Settings(kafka_bootstrap=bootstrap, topic_prefix=prefix)

    async def prepare(self) -> None:
        only = topic_map().model_copy(update={"topics": [topic_map()[StandingChanged.TOPIC]]})
        assert self.settings.kafka_bootstrap is not None
        await apply_topics(self.settings.kafka_bootstrap, only, prefix=self.settings.topic_prefix)

    async def say(self, *events: StandingChanged) -> None:
        assert self.settings.kafka_bootstrap is not None
        publisher = KafkaPublisher(
            self.settings.kafka_bootstrap,
            prefix=self.settings.topic_prefix,
            settings=self.settings,
            role="tests",
        )
        await publisher.start()
        messages = [
            first_message(
                event, event_id=event.request_id, source="tests", now=NOW, traceparent=None
            )
            for event in events
        ]
        await publisher.publish(messages, deadline_s=10.0)
        await publisher.stop()

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[StandingWatch]:
        watch = StandingWatch(ROOM, self.settings, clock=SystemClock())
        watch.start()
        yield watch
        await watch.stop()


@pytest.fixture
async def place(endpoints: Endpoints, topic_prefix: str) -> Place:
    place = Place(endpoints.kafka_bootstrap, topic_prefix)
    await place.prepare()
    return place


def somebody(session_id: UUID | None = None) -> Caller:
    return Caller(f"user:{uuid4()}", Kind.PERSON, session_id=session_id or uuid4())


async def standing_of(watch: StandingWatch, caller: Caller) -> int:
    """The status that a caller is refused with; 200 for one in good standing."""
    try:
        await watch.demand(caller)
    except ProblemError as problem:
        return problem.status
    return 200


async def is_told(watch: StandingWatch, caller: Caller, status: int) -> bool:
    return await standing_of(watch, caller) == status


@pytest.mark.real
async def test_an_edge_that_starts_later_knows_what_was_said_before(place: Place) -> None:
    suspended, revoked, back, good = somebody(), somebody(), somebody(), somebody()
    assert revoked.session_id is not None
    await place.say(
        said(suspended.client_id, Standing.SUSPENDED),
        said(session_principal(revoked.session_id), Standing.REVOKED),
        said(back.client_id, Standing.SUSPENDED),
        said(back.client_id, Standing.ACTIVE),
    )

    async with place.watch() as watch:
        await eventually(lambda: is_told(watch, good, 200))
        found = [await standing_of(watch, caller) for caller in (suspended, revoked, back)]

    assert found == [403, 401, 200]


@pytest.mark.real
async def test_a_suspension_is_known_within_a_second_of_its_acknowledgement(place: Place) -> None:
    caller = somebody()
    async with place.watch() as watch:
        await eventually(lambda: is_told(watch, caller, 200))
        for _ in range(5):
            for standing, status in ((Standing.SUSPENDED, 403), (Standing.ACTIVE, 200)):
                await place.say(said(caller.client_id, standing))
                async with asyncio.timeout(1.0):
                    await eventually(lambda status=status: is_told(watch, caller, status))  # type: ignore[misc]


async def test_nobody_is_believed_where_changes_do_not_arrive() -> None:
    place = Place("127.0.0.1:1", "")
    async with place.watch() as watch:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        with pytest.raises(Unavailable):
            await watch.demand(somebody())

    assert loop.time() - began_s >= STANDING_WAIT_S * 0.9


@pytest.mark.real
async def test_a_watch_begins_with_its_first_question(place: Place) -> None:
    caller = somebody()
    await place.say(said(caller.client_id, Standing.SUSPENDED))
    watch = StandingWatch(ROOM, place.settings, clock=SystemClock())

    async def is_known() -> bool:
        try:
            return await is_told(watch, caller, 403)
        except Unavailable:
            return False

    await eventually(is_known)
    await watch.stop()
