import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from domain.errors import Invalid
from producers.chart_of_accounts.__main__ import drop
from producers.chart_of_accounts.chart import messages_of, read_chart
from runtime.clock import SystemClock
from runtime.follow import Follower
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.account import AccountKind, AccountOpeningRequested, Tier
from schemas.event import Event, Position
from schemas.wire import decode
from tests.support.memory_stage import NOW
from tests.support.waiting import eventually
from titan.servers import Endpoints

ACCOUNT: dict[str, Any] = {
    "name": "treasury-usd",
    "kind": "system",
    "tier": "system",
    "currency": "USD",
    "handle": "treasury",
    "display_name": "Treasury",
}


def write(path: Path, *accounts: dict[str, Any], **changes: Any) -> Path:
    chart = {"client_id": "demo", "accounts": list(accounts)} | changes
    path.write_text(yaml.safe_dump(chart), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "bank"}, "kind"),
        ({"tier": "gold"}, "tier"),
        ({"currency": "ZZZ"}, "ISO 4217"),
        ({"currency": "usd"}, "ISO 4217"),
        ({"name": "Treasury USD"}, "name"),
        ({"handle": "\u0430lice"}, "handle"),
        ({"display_name": "x\u200b"}, "display name"),
        ({"display_name": "e\u0301"}, "NFC"),
        ({"balance": 1}, "balance"),
    ],
)
def test_a_chart_with_a_fault_is_refused_and_the_fault_named(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "chart.yaml", ACCOUNT | changes)

    with pytest.raises(Invalid, match=words):
        read_chart(path)


@pytest.mark.parametrize("same", ["name", "handle"])
def test_nothing_is_named_twice(tmp_path: Path, same: str) -> None:
    other = ACCOUNT | {"name": "other", "handle": "other"} | {same: ACCOUNT[same]}

    with pytest.raises(Invalid, match="named twice"):
        read_chart(write(tmp_path / "chart.yaml", ACCOUNT, other))


@pytest.mark.parametrize("text", ["", "[", "accounts: 7", "client_id: a b\naccounts: []"])
def test_what_is_no_chart_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "chart.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(Invalid, match=r"chart\.yaml"):
        read_chart(path)


def test_a_second_drop_asks_for_the_same_and_a_changed_account_for_something_else(
    tmp_path: Path,
) -> None:
    chart = read_chart(write(tmp_path / "chart.yaml", ACCOUNT))
    changed = read_chart(write(tmp_path / "changed.yaml", ACCOUNT | {"currency": "EUR"}))
    [first] = messages_of(chart, now=NOW)
    [again] = messages_of(chart, now=NOW + timedelta(days=1))
    [other] = messages_of(changed, now=NOW)

    ids = [
        {name: value for name, value in message.headers if name in {"ce_id", "idempotency_id"}}
        for message in (first, again, other)
    ]
    assert ids[0] == ids[1] != ids[2]
    assert first.key == other.key
    event = decode(
        AccountOpeningRequested,
        Position(first.topic, 0, 0),
        key=first.key,
        value=first.value,
        headers=first.headers,
    ).event
    assert event.account_id == chart.account_id_of(chart.accounts[0])
    assert (event.kind, event.tier) == (AccountKind.SYSTEM, Tier.SYSTEM)


def test_without_a_broker_or_with_a_bad_file_the_command_ends_with_one_line(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "chart.yaml", ACCOUNT | {"kind": "bank"})
    for arguments, words in (([], "TITAN_KAFKA_BOOTSTRAP"), ([str(path)], "chart.yaml")):
        ended = subprocess.run(
            [sys.executable, "-m", "producers.chart_of_accounts", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

        assert ended.returncode == 1
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.real
async def test_every_account_of_the_chart_is_asked_for(
    endpoints: Endpoints, topic_prefix: str
) -> None:
    topic = topic_map()[AccountOpeningRequested.TOPIC]
    only = topic_map().model_copy(update={"topics": [topic]})
    await apply_topics(endpoints.kafka_bootstrap, only, prefix=topic_prefix)
    settings = Settings(kafka_bootstrap=endpoints.kafka_bootstrap, topic_prefix=topic_prefix)
    follower = Follower([topic], bootstrap=endpoints.kafka_bootstrap, prefix=topic_prefix)
    await follower.start()
    chart = read_chart()
    events: list[Event] = []

    async def all_seen() -> bool:
        events.extend(each.delivered.event for each in await follower.poll())
        return len(events) == len(chart.accounts)

    try:
        await drop(Path("chart_of_accounts.yaml"), settings)
        await eventually(all_seen)
    finally:
        await follower.stop()

    asked: set[UUID] = {
        event.account_id for event in events if isinstance(event, AccountOpeningRequested)
    }
    assert asked == {chart.account_id_of(account) for account in chart.accounts}
    assert all(event.started_at <= SystemClock().now() for event in events)
