"""The unit of work over memory: what is decided once, repeated, dead-lettered."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from domain.errors import Defect
from runtime.inbox import MemoryInbox, Stored
from runtime.stage import Stage
from runtime.unit import Unit
from schemas.event import Delivered, Envelope, Event
from schemas.payment import PaymentPosted
from schemas.wire import Message, caused_envelope, encode
from tests.support.events import payment_id, screened
from tests.support.memory_stage import NOW, ROOT, MemoryStage, message_of


async def post_all(fresh: Sequence[Delivered[Any]], _unit: Unit) -> list[Event | None]:
    return [
        PaymentPosted(
            payment_id=item.event.payment_id,
            accepted_at=item.event.accepted_at,
            posting_id=uuid5(ROOT, str(item.event.payment_id)),
            payer_account_id=item.event.payer_account_id,
            payee_account_id=item.event.payee_account_id,
            amount_minor=item.event.amount_minor,
            currency=item.event.currency,
        )
        for item in fresh
    ]


def with_header(message: Message, name: str, value: bytes | None) -> Message:
    kept = [(key, old) for key, old in message.headers if key != name]
    added = [] if value is None else [(name, value)]
    return message._replace(headers=[*kept, *added])


GOOD = message_of(screened())

BROKEN: dict[str, Message] = {
    "garbage": GOOD._replace(value=b"\x00\xff garbage"),
    "empty": GOOD._replace(value=b""),
    "deep": GOOD._replace(value=b"[" * 100_000),
    "wrong_schema": GOOD._replace(value=b'{"payment_id": 1}'),
    "other_type": with_header(GOOD, "ce_type", b"payment.posted.v1"),
    "unknown_version": with_header(GOOD, "ce_type", b"payment.screened.v2"),
    "tombstone": GOOD._replace(value=None),  # type: ignore[arg-type]
    "no_type": with_header(GOOD, "ce_type", None),
    "no_id": with_header(GOOD, "ce_id", None),
    "non_utf8_id": with_header(GOOD, "ce_id", b"\xff" * 36),
    "non_utf8_source": with_header(GOOD, "ce_source", b"\xff"),
    "bad_time": with_header(GOOD, "ce_time", b"yesterday"),
    "naive_time": with_header(GOOD, "ce_time", b"2026-11-23T10:00:00"),
    "first_moment_of_the_calendar": with_header(GOOD, "ce_time", b"0001-01-01T00:00:00+14:00"),
    "last_moment_of_the_calendar": with_header(GOOD, "ce_time", b"9999-12-31T23:59:59+00:00"),
    "time_before_us": with_header(GOOD, "ce_time", b"1999-12-31T23:59:59.999999Z"),
    "time_after_us": with_header(GOOD, "ce_time", b"2200-01-01T00:00:00Z"),
    "wrong_key": GOOD._replace(key=b"somebody else"),
    "no_key": GOOD._replace(key=None),  # type: ignore[arg-type]
    "ancient": message_of(screened(accepted_at=NOW - timedelta(days=400))),
    "far_future": message_of(screened(accepted_at=NOW + timedelta(days=3))),
    "no_date_at_all": message_of(
        screened(accepted_at=NOW.replace(year=9999, month=12, day=31, hour=23))
    ),
    "negative_amount": GOOD._replace(value=GOOD.value.replace(b"1000", b"-1000")),
    "float_amount": GOOD._replace(value=GOOD.value.replace(b"1000", b"1000.0")),
    "null_character": GOOD._replace(value=GOOD.value.replace(b"USD", b"US\\u0000")),
    "lone_surrogate": GOOD._replace(value=GOOD.value.replace(b"USD", b"\\ud800")),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_what_nobody_understands_goes_to_the_dead_letter_and_the_rest_go_on(
    case: str,
) -> None:
    stage = MemoryStage(Stage("ledger_posting", post_all))
    other = message_of(screened(payment_id=payment_id("other")))

    letters = await stage.deliver_messages([BROKEN[case], other])

    [dead] = [item for item in stage.publisher.published if item.topic.endswith(".dlq")]
    assert dead.topic == "payment.screened.v1.ledger-posting.dlq"
    headers = dict(dead.headers)
    assert headers["x-original-topic"] == b"payment.screened.v1"
    assert headers["x-original-offset"] == b"1"
    assert headers["x-consumer-group"] == b"ledger-posting"
    assert headers["x-error-code"] == letters[0].error.code.encode()
    assert dead.value == (BROKEN[case].value or b"")
    assert [message.topic for message in stage.publisher.published if message is not dead] == [
        "payment.posted.v1"
    ]


async def test_a_header_without_a_value_is_no_reason_to_refuse() -> None:
    stage = MemoryStage(Stage("ledger_posting", post_all))
    record = stage.record(GOOD)
    record.headers = [*record.headers, ("x-odd", None), ("x-binary", b"\xff\xfe")]

    assert await stage.runner.process([record]) == []
    assert len(stage.published()) == 1


async def test_the_dead_letter_says_nothing_of_the_contents() -> None:
    stage = MemoryStage(Stage("ledger_posting", post_all))
    secret = b'{"payment_id": "canary@example.org"}'

    [letter] = await stage.deliver_messages([GOOD._replace(value=secret)])

    assert "canary" not in letter.error.message


async def test_outcomes_carry_their_cause_and_an_id_that_every_try_repeats() -> None:
    stage = MemoryStage(Stage("ledger_posting", post_all))

    await stage.deliver(screened())
    stage.clock.time += timedelta(hours=1)
    await stage.deliver(screened())

    first, second = stage.publisher.published
    assert first == second
    headers = dict(first.headers)
    assert headers["causation_id"] == dict(GOOD.headers)["ce_id"]
    assert headers["ce_id"] == headers["idempotency_id"]


async def test_a_stage_that_loses_count_of_its_events_is_a_defect() -> None:
    async def forgetful(_fresh: Sequence[Delivered[Any]], _unit: Unit) -> list[Event | None]:
        return []

    stage = MemoryStage(Stage("ledger_posting", forgetful))
    with pytest.raises(Defect, match="0 times"):
        await stage.deliver(screened())


class WatchedInbox(MemoryInbox):
    """Counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def read(
        self, unit: Unit, step: str, delivered: Sequence[Delivered[Any]], near: Collection[date]
    ) -> dict[UUID, Stored]:
        self.reads += 1
        return await super().read(unit, step, delivered, near)


def caused(name: str, **changes: Any) -> Message:
    """What an earlier stage says of a payment; other contents have another id."""
    event = screened(payment_id=payment_id(name), **changes)
    cause = Envelope(uuid5(ROOT, f"{name}{changes}"), uuid5(ROOT, name), None, "tests", NOW)
    step = "risk_screening"
    envelope = caused_envelope(cause, step=step, source="tests", now=NOW)
    if changes:
        envelope = envelope._replace(event_id=uuid5(ROOT, f"other {name}"))
    return encode(event, envelope)


async def test_the_inbox_is_read_only_while_something_suggests_a_repeat() -> None:
    inbox = WatchedInbox()
    stage = MemoryStage(Stage("ledger_posting", post_all), inbox=inbox)

    await stage.deliver_messages([caused("a")])
    assert inbox.reads == 1, "a process begins where another may have died"
    await stage.deliver_messages([caused("b")])
    await stage.deliver_messages([caused("c")])
    assert inbox.reads == 1

    await stage.deliver_messages([caused("d"), caused("b")])
    assert inbox.reads == 2, "the write was refused, and so it was read after all"
    assert [dict(m.headers)["ce_subject"].decode() for m in stage.publisher.published] == [
        str(payment_id(name)) for name in ("a", "b", "c", "d", "b")
    ]
    assert stage.publisher.published[1] == stage.publisher.published[4]

    await stage.deliver_messages([caused("e")])
    await stage.deliver_messages([caused("f")])
    assert inbox.reads == 3

    await stage.deliver_messages([caused("g")], crash_before_commit=True)
    await stage.deliver_messages([caused("g")])
    assert inbox.reads == 4, "the commit may have taken effect without an answer"


async def test_other_contents_under_a_decided_id_change_nothing_unread_inbox_or_not() -> None:
    stage = MemoryStage(Stage("ledger_posting", post_all))
    for name in ("a", "b", "c"):
        await stage.deliver_messages([caused(name)])

    await stage.deliver_messages([caused("c", amount_minor=7)])

    assert len(stage.published()) == 3


async def test_a_first_event_is_looked_up_always() -> None:
    """A client's retry from after midnight is dated anew, and so has another key in the inbox."""
    inbox = WatchedInbox()
    stage = MemoryStage(Stage("ledger_posting", post_all), inbox=inbox)

    for number in range(3):
        await stage.deliver(screened(payment_id=payment_id(str(number))))

    assert inbox.reads == 3
