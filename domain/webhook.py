"""Webhooks out, as decisions: who is told of what, what an answer means, and when to try again.

Whole seconds and whole milliseconds. State lives in PostgreSQL, see producers/webhook_delivery.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

SCHEDULE_S: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Pauses before each attempt, after the one before it: some 75 hours, then the delivery is dead."""

ATTEMPTS_MAX: Final = len(SCHEDULE_S)
"""Attempts of one delivery before it is dead."""

RETRY_AFTER_S_MAX: Final = 86_400
"""A longer Retry-After counts as this one."""

THROTTLE_S_MAX: Final = 3_600
"""An endpoint that asks for a pause gets one of at most this long for all its deliveries."""

BREAKER_FAILURES: Final = 5
"""Failures in a row after which an endpoint is asked no more, but by one probe at a time."""

BREAKER_REST_S: Final = 5
"""Pause before the first probe; doubles with each failed one."""

BREAKER_REST_S_MAX: Final = 300
"""Longest pause between two probes."""

DISABLE_AFTER_S: Final = 5 * 86_400
"""An endpoint that has failed for so long without one success is disabled."""

FILTERS_MAX: Final = 50
"""Event filters of one endpoint."""

TEST_EVENT: Final = "webhook.test.v1"
"""The type of the event that an endpoint's owner sends to see whether it arrives."""

SECRET_PURPOSE: Final = "webhook.secret"  # noqa: S105 - a purpose
"""What an endpoint's secret is sealed for, the endpoint's id after it."""

URL_PURPOSE: Final = "webhook.url"
DESCRIPTION_PURPOSE: Final = "webhook.description"
"""What an endpoint's words are sealed for, its id after it: they may tell of somebody."""

REPLY_PURPOSE: Final = "webhook.reply"
"""What the begin of an endpoint's reply is sealed for."""

_FILTER = re.compile(r"(?:\*|[a-z]+(?:\.[a-z]+(?:-[a-z]+)*)*(?:\.v[0-9]{1,3}|\.\*)?)\Z")
_VERSION = re.compile(r"\.v[0-9]+\Z")
_SUCCESSES: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_GONE: Final = 410
_THROTTLED: Final = frozenset({429, 502, 503, 504})


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    """For an earlier event of its payment to be told; of an ordered endpoint only."""
    PENDING = "pending"
    """Will be sent when it is due."""
    DELIVERED = "delivered"
    """The endpoint has said 2xx."""
    DEAD = "dead"
    """Given up: out of attempts, or its endpoint is disabled. It can be sent again by its owner."""


class DisabledReason(StrEnum):
    """Why an endpoint is sent nothing."""

    GONE = "gone"
    """It said 410."""
    FAILING = "failing"
    """It has failed for DISABLE_AFTER_S."""


class Outcome(StrEnum):
    """What became of an attempt; beyond a status, what went wrong without one."""

    DELIVERED = "delivered"
    GONE = "gone"
    REDIRECTED = "redirected"
    THROTTLED = "throttled"
    ANSWERED_BADLY = "bad_status"
    TIMED_OUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED_ADDRESS = "address_refused"
    NO_CERTIFICATE = "tls_failed"
    NO_HTTP = "not_http"


@dataclass(frozen=True, slots=True)
class Next:
    """What a delivery does after an attempt; `after_s` counts from its end, if it comes again."""

    state: DeliveryState
    after_s: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """How an endpoint has fared: failures since its last success, and since when, in Unix time.

    Once it is open, failed probes alone count: what was on its way when it opened says nothing new.
    """

    failures: int = 0
    failing_since_s: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is asked by probes only."""
        return self.failures >= BREAKER_FAILURES


@dataclass(frozen=True, slots=True)
class Health:
    """What a batch of attempts means for their endpoint.

    `rest_s` is how long to leave it alone from now on; None: as long as was said before.
    """

    breaker: Breaker
    rest_s: int | None = None
    disabled: DisabledReason | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An attempt as its endpoint's health sees it."""

    outcome: Outcome
    at_s: int
    retry_after_s: int | None = None
    is_probe: bool = False


def delivery_id_of(event_id: UUID, endpoint_id: UUID) -> UUID:
    """The one delivery of an event to an endpoint, for ever: what its `webhook-id` says."""
    return uuid5(event_id, str(endpoint_id))


def is_filter(text: str) -> bool:
    """Whether a text is a filter: an event's type, with or without version, `begin.*`, or `*`."""
    return _FILTER.match(text) is not None


def is_wanted(event_type: str, filters: Sequence[str]) -> bool:
    """Whether an event of this type is told; no filters at all is everything."""
    if not filters:
        return True
    names = (event_type, _VERSION.sub("", event_type))
    return any(
        event_type.startswith(each[:-1]) if each.endswith("*") else each in names
        for each in filters
    )


def outcome_of(status: int) -> Outcome:
    """What an answer means. Only 2xx is a success; a redirect is never followed."""
    if status in _SUCCESSES:
        return Outcome.DELIVERED
    if status == _GONE:
        return Outcome.GONE
    if status in _REDIRECTS:
        return Outcome.REDIRECTED
    return Outcome.THROTTLED if status in _THROTTLED else Outcome.ANSWERED_BADLY


def next_of(outcome: Outcome, tries: int, retry_after_s: int | None = None) -> Next:
    """What comes after attempt number `tries` (from 1) of a delivery; before jitter."""
    if outcome is Outcome.DELIVERED:
        return Next(DeliveryState.DELIVERED)
    if tries >= ATTEMPTS_MAX:
        return Next(DeliveryState.DEAD)
    asked_s = min(retry_after_s or 0, RETRY_AFTER_S_MAX)
    return Next(DeliveryState.PENDING, max(SCHEDULE_S[tries], asked_s))


def health_of(breaker: Breaker, attempts: Sequence[Seen]) -> Health:
    """An endpoint's health after these attempts, in the order in which they ended."""
    failures, since_s, rest_s = breaker.failures, breaker.failing_since_s, None
    for attempt in attempts:
        was_open = failures >= BREAKER_FAILURES
        if attempt.outcome is Outcome.DELIVERED:
            failures, since_s, rest_s = 0, None, 0 if was_open else rest_s
            continue
        since_s = attempt.at_s if since_s is None else since_s
        if attempt.outcome is Outcome.GONE:
            return Health(Breaker(failures + 1, since_s), disabled=DisabledReason.GONE)
        if attempt.is_probe or not was_open:
            failures += 1
            rest_s = _rest_s(failures) or rest_s
        if attempt.outcome is Outcome.THROTTLED and attempt.retry_after_s:
            rest_s = max(rest_s or 0, min(attempt.retry_after_s, THROTTLE_S_MAX))
    after = Breaker(failures, since_s)
    if since_s is not None and attempts and attempts[-1].at_s - since_s >= DISABLE_AFTER_S:
        return Health(after, disabled=DisabledReason.FAILING)
    return Health(after, rest_s)


def _rest_s(failures: int) -> int:
    if failures < BREAKER_FAILURES:
        return 0
    doublings = min(failures - BREAKER_FAILURES, 10)
    return min(BREAKER_REST_S << doublings, BREAKER_REST_S_MAX)
