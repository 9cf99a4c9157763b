"""What was known at an instant, from a log that the test has written minute by minute."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from typer.testing import CliRunner

from domain.payment import RefusalCode
from schemas.account import AccountOpened
from schemas.event import Event
from schemas.handle import HandleClaimed, HandlePorted, HandleReleased
from schemas.payment import PaymentPosted, PaymentRefused
from schemas.wire import Message
from tests.replay.written import write_archive
from tests.support.directory_events import claim_requested, opening_requested
from tests.support.events import ALICE, BOB, requested, resolved, screened
from tests.support.memory_stage import NOW, message_of
from titan.cli import app

DAY_END = NOW + timedelta(hours=12)
PAYMENT = UUID("00000000-0000-4000-8000-000000000001")


def minute(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


def posted(amount_minor: int, payer: UUID = ALICE, payee: UUID = BOB, **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "payment_id": uuid4(),
        "accepted_at": NOW,
        "posting_id": uuid4(),
        "payer_account_id": payer,
        "payee_account_id": payee,
        "amount_minor": amount_minor,
        "currency": "USD",
    }
    return PaymentPosted(**(fields | changes))


def opened(account_id: UUID) -> AccountOpened:
    return AccountOpened(**opening_requested(account_id=account_id).model_dump())


def handle_events() -> list[Event]:
    claimed: dict[str, Any] = claim_requested().model_dump() | {"currency": "USD"}
    ported = claimed | {"account_id": BOB, "version": 2, "request_id": uuid4()}
    released = {**ported, "version": 3, "request_id": uuid4()}
    return [
        HandleClaimed(**claimed, version=1),
        HandlePorted(**ported),
        HandleReleased(**{name: released[name] for name in HandleReleased.model_fields}),
    ]


class Log:
    """An archive on disk, one event a minute, and `titan at` over it without any server."""

    def __init__(self, directory: Path, events: Sequence[Event]) -> None:
        self.directory = directory
        log: list[tuple[datetime, Message]] = [
            (minute(number), message_of(event, idempotency_id=uuid5(ALICE, str(number))))
            for number, event in enumerate(events)
        ]
        write_archive(directory, log, complete_until=DAY_END)

    def at(self, time: datetime, kind: str, key: object) -> tuple[int, Any]:
        arguments = ["at", time.isoformat(), kind, str(key), "--from-archive"]
        result = CliRunner().invoke(app, [*arguments, str(self.directory), "--json"])
        if result.exit_code:
            return result.exit_code, result.stderr
        return 0, json.loads(result.stdout)


def test_a_payment_is_shown_as_it_stood_at_each_minute(tmp_path: Path) -> None:
    mine: dict[str, Any] = {"payment_id": PAYMENT}
    log = Log(
        tmp_path / "log",
        [requested(**mine), resolved(**mine), screened(**mine), posted(1000, **mine), posted(7)],
    )

    states = [log.at(minute(number), "payment", PAYMENT)[1]["state"] for number in range(5)]
    assert states == ["requested", "resolved", "screened", "posted", "posted"]
    _, found = log.at(minute(2), "payment", PAYMENT)
    assert (found["amount_minor"], found["from_handle"]) == (1000, "alice")
    assert found["posted_at"] is None
    assert [event["event"] for event in found["events"]] == [
        *("PaymentRequested", "PaymentResolved", "PaymentScreened")
    ]
    assert log.at(minute(0) - timedelta(milliseconds=1), "payment", PAYMENT)[0] == 1
    assert log.at(minute(9), "payment", uuid4())[0] == 1


def test_the_instant_itself_is_included_and_the_next_millisecond_is_not(tmp_path: Path) -> None:
    mine: dict[str, Any] = {"payment_id": PAYMENT}
    refused = PaymentRefused(**mine, accepted_at=NOW, code=RefusalCode.VELOCITY)
    log = Log(tmp_path / "log", [requested(**mine), refused])

    just_before = minute(1) - timedelta(milliseconds=1)
    assert log.at(just_before, "payment", PAYMENT)[1]["state"] == "requested"
    assert log.at(minute(1), "payment", PAYMENT)[1]["state"] == "refused"
    assert log.at(minute(1), "payment", PAYMENT)[1]["refusal_code"] == "velocity"


def test_an_account_has_what_was_posted_by_then(tmp_path: Path) -> None:
    again = posted(100, payer=BOB, payee=ALICE)
    log = Log(tmp_path / "log", [opened(ALICE), posted(700), again, again, posted(50, BOB, BOB)])

    balances = [log.at(minute(n), "account", ALICE)[1]["balance_minor"] for n in range(4)]
    assert balances == [0, -700, -600, -500]
    _, found = log.at(minute(4), "account", ALICE)
    assert (found["payments_sent"], found["payments_received"]) == (1, 2)
    assert (found["tier"], found["currency"]) == ("verified", "USD")
    assert log.at(minute(0) - timedelta(seconds=1), "account", ALICE)[0] == 1
    assert log.at(minute(4), "account", BOB)[0] == 1


def test_an_event_that_was_published_twice_counts_once(tmp_path: Path) -> None:
    once, opening = message_of(posted(700)), message_of(opened(ALICE))
    log = Log(tmp_path / "empty", [])
    log.directory = tmp_path / "log"
    written = [(minute(0), opening), (minute(1), once), (minute(2), once)]
    write_archive(log.directory, written, complete_until=DAY_END)

    assert log.at(minute(3), "account", ALICE)[1]["balance_minor"] == -700


def test_a_handle_named_what_it_named(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", handle_events())

    found = [log.at(minute(number), "handle", "@Alice")[1] for number in range(3)]
    assert [each["account_id"] for each in found] == [str(ALICE), str(BOB), None]
    assert [each["version"] for each in found] == [1, 2, 3]
    assert [each["released"] for each in found] == [False, False, True]
    assert log.at(minute(2), "handle", "bob")[0] == 1


@pytest.mark.parametrize(
    ("time", "kind", "key", "code"),
    [
        ("yesterday", "payment", str(PAYMENT), 2),
        ("2026-11-23T10:03:07", "payment", str(PAYMENT), 2),
        (NOW.isoformat(), "payment", "not an id", 2),
        (NOW.isoformat(), "handle", "~", 2),
        (NOW.isoformat(), "cat", "tom", 2),
        ((DAY_END + timedelta(seconds=1)).isoformat(), "payment", str(PAYMENT), 1),
    ],
)
def test_what_cannot_be_answered_is_refused(
    tmp_path: Path, time: str, kind: str, key: str, code: int
) -> None:
    log = Log(tmp_path / "log", [requested(payment_id=PAYMENT)])
    arguments = ["at", time, kind, key, "--from-archive", str(log.directory)]
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == code
    assert result.stdout == ""


def test_people_get_a_table(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", [requested(payment_id=PAYMENT)])
    arguments = ["at", NOW.isoformat(), "payment", str(PAYMENT), "--from-archive"]
    result = CliRunner().invoke(app, [*arguments, str(log.directory)])

    assert result.exit_code == 0
    assert "requested" in result.stdout
    assert "payment.requested.v1/" in result.stdout
