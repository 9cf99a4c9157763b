from datetime import timedelta

import pytest

from schemas.event import Position
from tests.support.memory_stage import NOW
from titan.demo import Balance, Demonstration, say_demonstration, say_what_to_try
from titan.demo_notifications import Told
from titan.demo_webhooks import Delivered
from titan.follow_payment import line_of
from titan.journey import Hop

PAYMENT = "5d6a6f0e-6f1b-5b5e-9a39-1a2b3c4d5e6f"


def hop(event: str, *, hop_ms: int, total_ms: int, code: str | None = None) -> Hop:
    return Hop(
        event=event,
        position=Position(topic=f"payment.{event}.v1", partition=7, offset=41),
        appended_at=NOW + timedelta(milliseconds=total_ms),
        hop_ms=hop_ms,
        total_ms=total_ms,
        source="titan/consumers/ledger_posting",
        code=code,
    )


def demonstration(*hops: Hop) -> Demonstration:
    balances = [
        Balance(handle="alice", before_minor=1_000_000, after_minor=999_000),
        Balance(handle="bob", before_minor=0, after_minor=1_000),
    ]
    told = [Told(handle="alice", title="Payment sent", body="You sent $10.00.", after_ms=31)]
    delivered = Delivered(
        event_type="payment.posted.v1",
        delivery_id="0e1c4a52-3d0e-5f5c-9d0a-0b9f8f7b1a11",
        is_verified=True,
        status=204,
        after_ms=61,
    )
    return Demonstration(
        payment_id=PAYMENT,
        answered_ms=4.2,
        hops=list(hops),
        balances=balances,
        webhooks=[delivered],
        told=told,
    )


def words(line: str) -> list[str]:
    return line.split()


def test_the_journey_is_told_with_place_and_time_of_each_event_and_both_balances(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_demonstration(
        demonstration(hop("requested", hop_ms=2, total_ms=2), hop("posted", hop_ms=12, total_ms=14))
    )

    lines = [words(line) for line in capsys.readouterr().out.splitlines()]
    assert ["alice", "pays", "bob", "10.00", "USD:", "payment", PAYMENT] in lines
    assert ["requested", "payment.requested.v1", "7", "41", "+2", "2"] in lines
    assert ["posted", "payment.posted.v1", "7", "41", "+12", "14"] in lines
    assert ["alice", "10,000.00", "USD", "9,990.00", "USD"] in lines
    assert ["bob", "0.00", "USD", "10.00", "USD"] in lines
    assert ["alice", "You", "sent", "$10.00.", "31"] in lines
    assert [
        "payment.posted.v1",
        "0e1c4a52-3d0e-5f5c-9d0a-0b9f8f7b1a11",
        *("verified", "61"),
    ] in lines


def test_only_posted_is_a_success() -> None:
    posted = demonstration(hop("posted", hop_ms=1, total_ms=1))
    refused = demonstration(hop("refused", hop_ms=1, total_ms=1, code="daily_limit"))

    assert posted.is_posted
    assert not refused.is_posted
    assert refused.as_json()["journey"][0]["code"] == "daily_limit"


def test_what_to_try_has_addresses_and_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say_what_to_try(
        handles_url="http://127.0.0.1:8001",
        payments_url="http://127.0.0.1:8002",
        payment_id=PAYMENT,
    )

    said = capsys.readouterr().out
    assert "http://127.0.0.1:8001/docs" in said
    assert (
        "curl -X POST http://127.0.0.1:8002/payments -H 'Content-Type: application/json' -d "
        '\'{"from_handle":"alice","to_handle":"bob","amount":1000,"currency":"USD",'
        '"payment_type":"WALLET","description":"Test payment"}\'\n'
    ) in said
    assert f"curl -N http://127.0.0.1:8002/payments/{PAYMENT}/events" in said


def test_a_watched_event_is_one_line() -> None:
    line = line_of(hop("refused", hop_ms=3, total_ms=9, code="daily_limit"))

    assert words(line) == [
        *("refused", "payment.refused.v1", "[7]", "@41"),
        *("+3", "ms,", "9", "ms", "in", "all", "daily_limit"),
    ]
