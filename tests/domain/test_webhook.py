from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.webhook import (
    ATTEMPTS_MAX,
    BREAKER_FAILURES,
    BREAKER_REST_S,
    BREAKER_REST_S_MAX,
    DISABLE_AFTER_S,
    RETRY_AFTER_S_MAX,
    SCHEDULE_S,
    Breaker,
    DeliveryState,
    DisabledReason,
    Next,
    Outcome,
    Seen,
    delivery_id_of,
    health_of,
    is_filter,
    is_wanted,
    next_of,
    outcome_of,
)

FAILED = Outcome.ANSWERED_BADLY
PENDING = DeliveryState.PENDING
OUTCOMES = st.sampled_from(sorted(Outcome))


@pytest.mark.parametrize(
    ("filters", "event_type", "wanted"),
    [
        ([], "payment.posted", True),
        (["*"], "payment.posted", True),
        (["payment.posted"], "payment.posted", True),
        (["payment.posted"], "payment.refused", False),
        (["payment.posted"], "payment.posted.v1", True),
        (["payment.posted.v1"], "payment.posted.v1", True),
        (["payment.posted.v2"], "payment.posted.v1", False),
        (["payment.*"], "payment.posted.v1", True),
        (["payment.*"], "payment.posted", True),
        (["payment.*"], "payments.posted", False),
        (["payment.*"], "payment", False),
        (["handle.*", "payment.refused"], "payment.refused", True),
        (["handle.*", "payment.refused"], "payment.posted", False),
    ],
)
def test_filters_are_exact_or_a_prefix(
    filters: list[str], event_type: str, *, wanted: bool
) -> None:
    assert is_wanted(event_type, filters) is wanted


@pytest.mark.parametrize(
    "text", ["*", "payment", "payment.*", "handle.claim-refused", "a.b.c", "a.b.v1"]
)
def test_a_filter_names_types(text: str) -> None:
    assert is_filter(text)


@pytest.mark.parametrize(
    "text", ["", "*.posted", "payment.", "pay*", "Payment.posted", "a..b", "a.*.b", "a\n", "**"]
)
def test_what_is_no_filter(text: str) -> None:
    assert not is_filter(text)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (204, Outcome.DELIVERED),
        (299, Outcome.DELIVERED),
        (301, Outcome.REDIRECTED),
        (307, Outcome.REDIRECTED),
        (400, Outcome.ANSWERED_BADLY),
        (404, Outcome.ANSWERED_BADLY),
        (410, Outcome.GONE),
        (429, Outcome.THROTTLED),
        (500, Outcome.ANSWERED_BADLY),
        (503, Outcome.THROTTLED),
    ],
)
def test_only_2xx_is_a_success(status: int, outcome: Outcome) -> None:
    assert outcome_of(status) is outcome


def test_the_schedule_has_ten_attempts_over_some_75_hours() -> None:
    pauses = [next_of(FAILED, tries).after_s for tries in range(1, ATTEMPTS_MAX)]
    assert pauses == [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert sum(SCHEDULE_S) == 272_105
    assert next_of(FAILED, ATTEMPTS_MAX) == Next(DeliveryState.DEAD)


def test_a_longer_retry_after_is_honoured_and_bounded() -> None:
    assert next_of(Outcome.THROTTLED, 1, 60) == Next(PENDING, 60)
    assert next_of(Outcome.THROTTLED, 2, 60) == Next(PENDING, 300)
    assert next_of(Outcome.THROTTLED, 1, 10**9) == Next(PENDING, RETRY_AFTER_S_MAX)


@given(outcome=OUTCOMES, tries=st.integers(1, ATTEMPTS_MAX), asked_s=st.integers(0, 10**10))
def test_nothing_is_given_up_before_its_last_attempt(
    outcome: Outcome, tries: int, asked_s: int
) -> None:
    coming = next_of(outcome, tries, asked_s)
    if outcome is Outcome.DELIVERED:
        assert coming.state is DeliveryState.DELIVERED
    else:
        assert (coming.state is DeliveryState.DEAD) == (tries == ATTEMPTS_MAX)
        assert coming.state is DeliveryState.DEAD or coming.after_s >= SCHEDULE_S[tries]


def failures(count: int, *, since_s: int = 0) -> list[Seen]:
    return [Seen(FAILED, since_s + number) for number in range(count)]


def test_failures_in_a_row_open_the_breaker_and_a_success_closes_it() -> None:
    almost = health_of(Breaker(), failures(BREAKER_FAILURES - 1))
    assert not almost.breaker.is_open
    assert almost.rest_s is None
    opened = health_of(almost.breaker, failures(1, since_s=9))
    assert opened.breaker.is_open
    assert opened.rest_s == BREAKER_REST_S
    assert opened.breaker.failing_since_s == 0
    closed = health_of(opened.breaker, [Seen(Outcome.DELIVERED, 10)])
    assert (closed.breaker, closed.rest_s) == (Breaker(), 0)


def test_what_was_on_its_way_when_the_breaker_opened_makes_no_rest_longer() -> None:
    opened = health_of(Breaker(), failures(32))
    assert (opened.breaker.failures, opened.rest_s) == (BREAKER_FAILURES, BREAKER_REST_S)
    late = health_of(opened.breaker, failures(32, since_s=50))
    assert (late.breaker, late.rest_s) == (opened.breaker, None)


def test_each_failed_probe_doubles_the_rest_up_to_its_bound() -> None:
    breaker, rests = Breaker(BREAKER_FAILURES - 1, 0), []
    for at_s in range(12):
        health = health_of(breaker, [Seen(FAILED, at_s, is_probe=breaker.is_open)])
        breaker = health.breaker
        rests.append(health.rest_s)
    assert rests[:4] == [5, 10, 20, 40]
    assert rests[-1] == BREAKER_REST_S_MAX


def test_gone_disables_at_once_and_failing_for_days_does() -> None:
    gone = health_of(Breaker(), [Seen(Outcome.DELIVERED, 1), Seen(Outcome.GONE, 2)])
    assert gone.disabled is DisabledReason.GONE
    late = health_of(Breaker(7, 100), [Seen(FAILED, 100 + DISABLE_AFTER_S)])
    assert late.disabled is DisabledReason.FAILING
    early = health_of(Breaker(7, 100), [Seen(FAILED, 99 + DISABLE_AFTER_S)])
    assert early.disabled is None


def test_one_that_asks_for_a_pause_gets_it() -> None:
    assert health_of(Breaker(), [Seen(Outcome.THROTTLED, 1, 30)]).rest_s == 30
    assert health_of(Breaker(), [Seen(FAILED, 1, 30)]).rest_s is None
    answers = [Seen(Outcome.THROTTLED, 1, 30), Seen(Outcome.DELIVERED, 2), Seen(FAILED, 3)]
    assert health_of(Breaker(), answers).rest_s == 30
    assert health_of(Breaker(1, 1), answers[1:]).rest_s is None


def test_a_delivery_has_one_id_for_ever() -> None:
    event, endpoint = UUID(int=1), UUID(int=2)
    assert delivery_id_of(event, endpoint) == UUID("fc2a5a19-267c-526c-8abb-b488c2fda4a7")
    assert delivery_id_of(event, endpoint) != delivery_id_of(endpoint, event)
