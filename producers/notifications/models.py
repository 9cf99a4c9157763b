"""The bodies that Notifications reads and writes, as its API describes them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.notification import Detail, Subject, Way
from producers.notifications import limits
from runtime.http.body import RequestModel

Platform = Literal["apns", "fcm"]
Locale = Literal["en", "en-US", "en-GB", "de", "de-DE", "de-AT", "de-CH"]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""Hours and minutes, such as 22:00."""


class DeviceBody(RequestModel):
    """A device that pushes may go to, by the token that its system gave the app."""

    platform: Platform
    token: Annotated[str, Field(min_length=1, max_length=limits.TOKEN_CHARACTERS_MAX)]


class QuietHoursBody(RequestModel):
    """From when until when nothing leaves the house but what is about security."""

    begin: TimeOfDay
    end: TimeOfDay


class PreferencesBody(RequestModel):
    """How somebody wants to be told, whole: what is left out has its default."""

    locale: Locale = "en"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    quiet_hours: QuietHoursBody | None = None
    push_detail: Detail = Detail.SUBJECT
    email_detail: Detail = Detail.SUBJECT
    subjects: dict[Subject, dict[Way, bool]] = Field(default_factory=dict)


class ReadBody(RequestModel):
    """Up to which notification all were read; `account_id` narrows it to one account."""

    up_to: Annotated[int, Field(ge=0, le=2**63 - 1)]
    account_id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")] | None = None


class Answer(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceAnswer(Answer):
    """A device; its token is told to nobody."""

    id: UUID
    platform: Platform
    registered_at: datetime


class QuietHoursAnswer(Answer):
    """Quiet hours, by the clock where the person is."""

    begin: str
    end: str


class PreferencesAnswer(Answer):
    """How somebody is told: `subjects` names every subject and way."""

    locale: str
    time_zone: str
    quiet_hours: QuietHoursAnswer | None
    push_detail: Detail
    email_detail: Detail
    subjects: dict[Subject, dict[Way, bool]]


class NotificationAnswer(Answer):
    """A notification in the reader's language. `amount` counts the currency's minor unit.

    `count` is more than 1 where it stands for the rest of a burst; `number` grows with each that
    is new, or that has grown.
    """

    id: UUID
    number: int
    subject: Subject
    title: str
    body: str
    account_id: UUID | None
    payment_id: UUID | None
    amount: int | None
    currency: str | None
    code: str | None
    count: int
    occurred_at: datetime
    created_at: datetime
    read_at: datetime | None


class UnreadAnswer(Answer):
    """How many are not read; `is_more` says that there are more than are counted."""

    unread: int
    is_more: bool
