"""Planning notifications: news becomes rows of an inbox, and deliveries by the ways people chose.

Pure: what stands is given, what it comes to is returned. `consumers/notifications` reads and writes
both in one commit, and says what is news.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from domain.client import person_of
from domain.notification import (
    BURST_SINGLES_MAX,
    BURST_WINDOW,
    EXPIRES_AFTER,
    Channel,
    Preferences,
    Subject,
    Way,
    notification_id_of,
)

_SUMMARY_GRACE: Final = timedelta(seconds=2)
"""A summary leaves so long after its minute: what came at its end may still be committing."""

_IN_APP: Final = frozenset({Way.IN_APP})


class Burst(NamedTuple):
    """How many notifications there were in the minute that began then."""

    began_at: datetime
    told: int


BurstKey = tuple[UUID, Subject]
"""An account, or a person, and what they are told of."""


class News(NamedTuple):
    """Something that one client ought to know; nothing is said about how."""

    event_id: UUID
    client_id: str
    account_id: UUID | None
    subject: Subject
    occurred_at: datetime
    payment_id: UUID | None = None
    rank: int = 0
    amount_minor: int | None = None
    currency: str | None = None
    code: str | None = None


class Device(NamedTuple):
    """Where a push can go."""

    device_id: UUID
    channel: Channel


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who is told things: how many there have been, and how they want to be told."""

    last_number: int = 0
    preferences: Preferences = field(default_factory=Preferences)


_STRANGER: Final = Recipient()


@dataclass(frozen=True, slots=True)
class Known:
    """What stands before a batch, locked for it."""

    recipients: Mapping[str, Recipient]
    devices: Mapping[UUID, Sequence[Device]]
    """By person."""
    bursts: Mapping[BurstKey, Burst]
    ranks: Mapping[tuple[UUID, str], int]
    """How far along a payment was when the client was last told of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A row of the table; what a summary counts and sums is added to what stands."""

    notification_id: UUID
    news: News
    planned_at: datetime
    number: int
    is_shown: bool
    is_summary: bool
    amount_minor: int | None
    count: int = 1

    @property
    def person_id(self) -> UUID | None:
        """The person who is told; None for the demo."""
        return person_of(self.news.client_id)

    @property
    def payment_id(self) -> UUID | None:
        """The payment, if it is about one only."""
        return None if self.is_summary else self.news.payment_id

    def joined(self, before: "Notification") -> "Notification":
        """This and what was in the summary before it."""
        assert self.is_summary
        total = (before.amount_minor or 0) + (self.amount_minor or 0)
        return replace(
            self,
            planned_at=before.planned_at,
            count=before.count + self.count,
            amount_minor=None if self.amount_minor is None else total,
        )


class Delivery(NamedTuple):
    """What has to leave the house, in the order of the table's columns."""

    delivery_id: UUID
    notification_id: UUID
    person_id: UUID
    channel: Channel
    device_id: UUID | None
    payment_id: UUID | None
    rank: int
    planned_at: datetime
    due_at: datetime
    expires_at: datetime


@dataclass(slots=True)
class Plan:
    """What a batch comes to."""

    notifications: dict[UUID, Notification] = field(default_factory=dict)
    deliveries: dict[UUID, Delivery] = field(default_factory=dict)
    bursts: dict[BurstKey, Burst] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)
    """How many numbers each client has used up."""
    told: set[UUID] = field(default_factory=set)
    """What each piece of news is called that was told, by itself or in a summary."""


def plan(news: Sequence[News], known: Known, *, now: datetime) -> Plan:
    """Decide in order, each piece of news seeing those before it.

    A payment's earlier state that comes after a later one was told is not told any more.
    """
    made = Plan()
    ranks = dict(known.ranks)
    for each in news:
        if each.payment_id is not None:
            # Both sides may be one client's (the demo's): each has its own notification.
            told = ranks.get((each.payment_id, each.client_id), -1)
            if told > each.rank:
                continue
            ranks[each.payment_id, each.client_id] = each.rank
        _tell(each, known, made, now)
    return made


def _tell(news: News, known: Known, made: Plan, now: datetime) -> None:
    recipient = known.recipients.get(news.client_id, _STRANGER)
    person_id = person_of(news.client_id)
    ways = recipient.preferences.ways(news.subject)
    if person_id is None:
        # Nobody has told us where else to reach them.
        ways &= _IN_APP
    if not ways:
        return
    notification_id = _id_of(news)
    if notification_id in made.told:
        # Of a payment between a person's own accounts they are told once.
        return
    made.told.add(notification_id)
    summary = _summary_of(_counted(news, made, known, now))
    if summary is not None:
        notification_id = _summary_id_of(news, summary)
    made.numbers[news.client_id] += 1
    notification = Notification(
        notification_id=notification_id,
        news=news,
        planned_at=now,
        number=recipient.last_number + made.numbers[news.client_id],
        is_shown=Way.IN_APP in ways,
        is_summary=summary is not None,
        amount_minor=news.amount_minor,
    )
    if (before := made.notifications.get(notification_id)) is not None:
        notification = notification.joined(before)
    made.notifications[notification_id] = notification
    if person_id is not None:
        due_at = now if summary is None else summary.began_at + BURST_WINDOW + _SUMMARY_GRACE
        due_at = recipient.preferences.due_at(news.subject, due_at)
        for way in sorted(ways - _IN_APP):
            _send(notification, way, known.devices.get(person_id, ()), made, due_at)


def _send(
    notification: Notification,
    way: Way,
    devices: Sequence[Device],
    made: Plan,
    due_at: datetime,
) -> None:
    """Plan what leaves the house by one way, unless it is pointless by now."""
    news, person_id = notification.news, notification.person_id
    expires_at = news.occurred_at + EXPIRES_AFTER[way]
    if person_id is None or expires_at <= notification.planned_at:
        return
    source = notification.notification_id if notification.is_summary else news.event_id
    targets: list[tuple[Channel, UUID | None]] = [(Channel.EMAIL, None)]
    if way is Way.PUSH:
        targets = [(device.channel, device.device_id) for device in devices]
    for channel, device_id in targets:
        delivery_id = notification_id_of(source, news.client_id, way, device_id)
        delivery = Delivery(
            delivery_id=delivery_id,
            notification_id=notification.notification_id,
            person_id=person_id,
            channel=channel,
            device_id=device_id,
            payment_id=notification.payment_id,
            rank=news.rank,
            planned_at=notification.planned_at,
            due_at=due_at,
            expires_at=expires_at,
        )
        made.deliveries.setdefault(delivery_id, delivery)


def _counted(news: News, made: Plan, known: Known, now: datetime) -> Burst | None:
    """The minute that the news falls into, with the news in it; None if it is not counted."""
    if news.account_id is None or not news.subject.is_payment:
        return None
    key = (news.account_id, news.subject)
    burst = made.bursts.get(key) or known.bursts.get(key)
    if burst is None or not burst.began_at <= now < burst.began_at + BURST_WINDOW:
        burst = Burst(now, 0)
    burst = Burst(burst.began_at, burst.told + 1)
    made.bursts[key] = burst
    return burst


def _summary_of(burst: Burst | None) -> Burst | None:
    """The minute whose summary tells the news; None if the news is told by itself."""
    return burst if burst is not None and burst.told > BURST_SINGLES_MAX else None


def _id_of(news: News) -> UUID:
    """The id of what is told by itself."""
    return notification_id_of(news.event_id, _who(news), Way.IN_APP)


def _summary_id_of(news: News, summary: Burst) -> UUID:
    """The id of the summary of a minute."""
    assert news.account_id is not None, "what is about no account is not counted"
    source = uuid5(news.account_id, f"{news.subject} {summary.began_at.isoformat()}")
    return notification_id_of(source, _who(news), Way.IN_APP)


def _who(news: News) -> str:
    """Of the demo, whose accounts are several people's, the account stands for the person."""
    if person_of(news.client_id) is not None:
        return news.client_id
    return f"{news.client_id} {news.account_id}"
