"""Notifications: what people are told of, by which ways, how much of it, and when it may wait.

Whose is a notification? An account has one holder, the client that opened it, and every client has
one inbox: a person's is about all their accounts and themselves, the demo's about the accounts of
all its people, and each notification names the account it is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo


class Subject(StrEnum):
    """What somebody is told of."""

    PAYMENT_SENT = "payment-sent"
    PAYMENT_RECEIVED = "payment-received"
    PAYMENT_REFUSED = "payment-refused"
    SIGNED_IN = "signed-in"
    SIGN_IN_BLOCKED = "sign-in-blocked"
    SESSION_STOLEN = "session-stolen"
    """A refresh token came twice: somebody has a copy."""
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - what happened
    CODE_REQUIRED = "code-required"
    """Signing in takes a code of the person's device from now on."""
    CODE_NOT_REQUIRED = "code-not-required"
    ACCOUNT_FROZEN = "account-frozen"
    ACCOUNT_UNFROZEN = "account-unfrozen"
    TIER_CHANGED = "tier-changed"
    """Two reviewers have approved what the person showed: other limits hold."""
    IDENTITY_NOT_CONFIRMED = "identity-not-confirmed"
    PAPERS_WANTED = "papers-wanted"
    """A reviewer waits for something of the person's."""
    WEBHOOK_DISABLED = "webhook-disabled"
    """An endpoint of theirs is sent nothing any more."""

    @property
    def is_security(self) -> bool:
        """Whether it is about who gets in: it does not wait for quiet hours to end."""
        return self in _SECURITY

    @property
    def is_payment(self) -> bool:
        """Whether it is about money, and many at once become one."""
        return self in _PAYMENTS


_PAYMENTS: Final = frozenset(
    {Subject.PAYMENT_SENT, Subject.PAYMENT_RECEIVED, Subject.PAYMENT_REFUSED}
)
_SECURITY: Final = frozenset(
    {
        Subject.SIGNED_IN,
        Subject.SIGN_IN_BLOCKED,
        Subject.SESSION_STOLEN,
        Subject.PASSWORD_CHANGED,
        Subject.CODE_REQUIRED,
        Subject.CODE_NOT_REQUIRED,
    }
)


class Way(StrEnum):
    """How somebody is told, as they choose it."""

    IN_APP = "in_app"
    PUSH = "push"
    EMAIL = "email"


class Channel(StrEnum):
    """Who carries what leaves the house: a push goes by the maker of the device's system."""

    APNS = "apns"
    FCM = "fcm"
    EMAIL = "email"

    @property
    def way(self) -> Way:
        """The way that a person chooses."""
        return Way.EMAIL if self is self.EMAIL else Way.PUSH


class Detail(StrEnum):
    """How much a push or an e-mail tells: both pass through others, and lie on a locked screen."""

    NOTHING = "nothing"
    """That there is something to see in the app."""
    SUBJECT = "subject"
    """What it is about."""
    AMOUNT = "amount"
    PAYEE = "payee"
    """The amount, and the payee's name, masked."""

    @property
    def rank(self) -> int:
        """The higher, the more is told."""
        return list(Detail).index(self)


LOCALES: Final = ("en", "en-US", "en-GB", "de", "de-DE", "de-AT", "de-CH")
"""Languages that templates are written in, with the regions whose numbers they can show."""

EXPIRES_AFTER: Final = {
    Way.PUSH: timedelta(hours=24),
    Way.EMAIL: timedelta(hours=72),
}
"""What was not delivered so long after it happened is pointless."""

BURST_WINDOW: Final = timedelta(minutes=1)
"""Notifications on one subject about one account are counted in windows of this length."""

BURST_SINGLES_MAX: Final = 5
"""So many of a window are told one by one; all others of it become one summary."""


def _ways_by_default(subject: Subject) -> frozenset[Way]:
    if subject is Subject.SIGNED_IN:
        return frozenset({Way.IN_APP})
    # Payments are too many to write a letter of each.
    return frozenset(Way) - {Way.EMAIL} if subject.is_payment else frozenset(Way)


WAYS_BY_DEFAULT: Final[Mapping[Subject, frozenset[Way]]] = {
    subject: _ways_by_default(subject) for subject in Subject
}
"""How somebody who has chosen nothing is told of each subject."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day until another, which may be the next day's, where the person is."""

    begin: time
    end: time

    def end_of(self, now: datetime, time_zone: str) -> datetime:
        """When it is not quiet any more: `now` itself if it is not quiet then.

        Told by the clock on the wall: on the two days when that is moved, a quiet hour is longer
        or shorter, and an end that the clock leaps over comes when it has leapt.
        """
        zone = ZoneInfo(time_zone)
        here = now.astimezone(zone)
        is_over_midnight = self.end <= self.begin
        after_begin, before_end = here.time() >= self.begin, here.time() < self.end
        if not (after_begin or before_end if is_over_midnight else after_begin and before_end):
            return now
        day = here.date()
        if is_over_midnight and after_begin:
            day += timedelta(days=1)
        return max(now, datetime.combine(day, self.end, zone).astimezone(now.tzinfo))


@dataclass(frozen=True, slots=True)
class Choice:
    """That somebody wants to be told of a subject in a way, or not."""

    subject: Subject
    way: Way
    is_on: bool


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody wants to be told; whoever says nothing has the defaults."""

    locale: str = "en"
    time_zone: str = "UTC"
    quiet_hours: QuietHours | None = None
    push_detail: Detail = Detail.SUBJECT
    email_detail: Detail = Detail.SUBJECT
    choices: frozenset[Choice] = field(default_factory=frozenset)

    def ways(self, subject: Subject) -> frozenset[Way]:
        """How to tell them of it."""
        ways = WAYS_BY_DEFAULT[subject]
        if not self.choices:
            return ways
        chosen = {each.way: each.is_on for each in self.choices if each.subject is subject}
        return frozenset(way for way in Way if chosen.get(way, way in ways))

    def wants(self, subject: Subject, way: Way) -> bool:
        """Whether to tell them of it in this way."""
        return way in self.ways(subject)

    def detail(self, channel: Channel) -> Detail:
        """How much may leave the house by this channel."""
        return self.email_detail if channel is Channel.EMAIL else self.push_detail

    def due_at(self, subject: Subject, now: datetime) -> datetime:
        """The first moment from `now` on at which a push or e-mail may come."""
        if self.quiet_hours is None or subject.is_security:
            return now
        return self.quiet_hours.end_of(now, self.time_zone)


def notification_id_of(
    event_id: UUID, client_id: str, way: Way, device_id: UUID | None = None
) -> UUID:
    """What tells this client of this event in this way, on this device: the same whoever asks."""
    return uuid5(event_id, f"{client_id} {way} {device_id or ''}")


def mask_name(name: str) -> str:
    """The first letter of each of the first words: "Ada Lovelace" is "A*** L***"."""
    return " ".join(f"{word[0]}***" for word in name.split()[:_MASKED_WORDS_MAX])


_MASKED_WORDS_MAX: Final = 3
