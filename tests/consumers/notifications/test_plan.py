"""Planning is pure: what a batch of news comes to, given what stands."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

from hypothesis import given
from hypothesis import strategies as st

from domain.client import client_of
from domain.notification import (
    BURST_SINGLES_MAX,
    BURST_WINDOW,
    Channel,
    Choice,
    Preferences,
    Subject,
    Way,
    notification_id_of,
)
from domain.notification_plan import Burst, Device, Known, News, Plan, Recipient, plan
from tests.support.memory_stage import NOW, ROOT

ADA = uuid5(ROOT, "ada")
ACCOUNT = uuid5(ROOT, "account")
PHONE = Device(uuid5(ROOT, "phone"), Channel.APNS)
TABLET = Device(uuid5(ROOT, "tablet"), Channel.FCM)
NOTHING = Known({}, {ADA: [PHONE, TABLET]}, {}, {})


def news(number: int = 0, *, rank: int = 3, client_id: str | None = None) -> News:
    return News(
        event_id=uuid5(ROOT, f"event {number} {rank}"),
        client_id=client_id or client_of(ADA),
        account_id=ACCOUNT,
        subject=Subject.PAYMENT_RECEIVED,
        occurred_at=NOW,
        payment_id=uuid5(ROOT, f"payment {number}"),
        rank=rank,
        amount_minor=100,
        currency="USD",
    )


def told(made: Plan) -> int:
    return sum(each.count for each in made.notifications.values())


def test_each_device_has_its_own_delivery_under_the_id_of_its_cause() -> None:
    made = plan([news()], NOTHING, now=NOW)
    assert {(each.channel, each.device_id) for each in made.deliveries.values()} == {
        (Channel.APNS, PHONE.device_id),
        (Channel.FCM, TABLET.device_id),
    }
    for each in made.deliveries.values():
        source = news().event_id
        assert each.delivery_id == notification_id_of(
            source, client_of(ADA), Way.PUSH, each.device_id
        )


@given(st.lists(st.integers(0, 30), unique=True), st.integers(0, 9))
def test_nothing_is_told_twice_or_lost_however_batches_fall(
    numbers: Sequence[int], before: int
) -> None:
    bursts = {(ACCOUNT, Subject.PAYMENT_RECEIVED): Burst(NOW, before)} if before else {}
    known = Known({}, {ADA: [PHONE]}, bursts, {})
    made = plan([news(number) for number in numbers], known, now=NOW)
    again = plan([news(number) for number in numbers], known, now=NOW)

    assert told(made) == len(numbers)
    assert made.numbers[client_of(ADA)] == len(numbers)
    assert sum(each.amount_minor or 0 for each in made.notifications.values()) == 100 * len(numbers)
    singles = [each for each in made.notifications.values() if not each.is_summary]
    assert len(singles) == min(len(numbers), max(0, BURST_SINGLES_MAX - before))
    assert len(made.notifications) - len(singles) <= 1
    assert (made.notifications, made.deliveries) == (again.notifications, again.deliveries)


def test_a_summary_leaves_when_its_minute_is_over_and_has_one_id_in_all_of_it() -> None:
    burst = Burst(NOW, BURST_SINGLES_MAX)
    known = Known({}, {ADA: [PHONE]}, {(ACCOUNT, Subject.PAYMENT_RECEIVED): burst}, {})
    [first] = plan([news(1)], known, now=NOW).deliveries.values()
    late = NOW + BURST_WINDOW - timedelta(microseconds=1)
    [second] = plan([news(2)], known, now=late).deliveries.values()
    assert first.delivery_id == second.delivery_id
    assert first.due_at == second.due_at > NOW + BURST_WINDOW
    assert first.payment_id is None
    over = plan([news(3)], known, now=NOW + BURST_WINDOW)
    assert [each.is_summary for each in over.notifications.values()] == [False]


def test_an_earlier_state_that_comes_after_a_later_one_is_not_told() -> None:
    known = Known({}, {}, {}, {(news().payment_id or uuid4(), client_of(ADA)): 3})
    assert told(plan([news(rank=2)], known, now=NOW)) == 0
    assert told(plan([news(rank=3), news(rank=2)], NOTHING, now=NOW)) == 1
    assert told(plan([news(rank=2), news(rank=3)], NOTHING, now=NOW)) == 2


def test_who_wants_nothing_is_told_nothing_and_uses_no_number() -> None:
    off = frozenset(Choice(Subject.PAYMENT_RECEIVED, way, is_on=False) for way in Way)
    known = Known({client_of(ADA): Recipient(7, Preferences(choices=off))}, {}, {}, {})
    assert plan([news()], known, now=NOW) == Plan()


def test_who_wants_pushes_only_has_them_and_an_inbox_that_shows_nothing() -> None:
    off = frozenset({Choice(Subject.PAYMENT_RECEIVED, Way.IN_APP, is_on=False)})
    recipient = Recipient(7, Preferences(choices=off))
    known = Known({client_of(ADA): recipient}, {ADA: [PHONE]}, {}, {})
    made = plan([news()], known, now=NOW)
    [notification] = made.notifications.values()
    assert (notification.is_shown, notification.number) == (False, 8)
    assert len(made.deliveries) == 1


def test_the_demo_is_told_in_the_app_only_and_each_account_by_itself() -> None:
    here = news(client_id="demo")
    there = News(
        event_id=here.event_id,
        client_id="demo",
        account_id=UUID(int=7),
        subject=Subject.PAYMENT_SENT,
        occurred_at=NOW,
    )
    made = plan([here, there], NOTHING, now=NOW)
    assert len(made.notifications) == 2
    assert made.deliveries == {}


def test_what_happened_a_day_ago_is_pushed_to_nobody() -> None:
    made = plan([news()], NOTHING, now=NOW + timedelta(hours=24))
    assert len(made.notifications) == 1
    assert made.deliveries == {}
