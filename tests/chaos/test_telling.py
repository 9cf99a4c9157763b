"""The check of webhooks and notifications can fail: each fault it looks for is planted once."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from runtime.clock import SystemClock
from runtime.outgoing import Outgoing
from runtime.standard_webhooks import Signer, signed_headers
from tests.support.memory_stage import NOW, ROOT
from tests.support.waiting import eventually
from titan.chaos.check_telling import notification_faults, webhook_faults
from titan.chaos.evidence import Evidence
from titan.chaos.history import History
from titan.chaos.raw_log import Record
from titan.chaos.receiver import ENDPOINTS, FLAPS, HEARD, ORDERED, Receiver, Told, is_right
from titan.chaos.told import Heard, read_hearing

PAYMENT, REQUEST, POSTED, PAYER, PAYEE, ENDPOINT = (
    uuid5(ROOT, name) for name in ("payment", "request", "posted", "payer", "payee", "endpoint")
)
EVENTS = {"payment.requested.v1": REQUEST, "payment.posted.v1": POSTED}
TOLD = Told(
    endpoint_id=str(ENDPOINT),
    secret="whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
    event_types=ORDERED,
    is_ordered=True,
    made_at_s=(NOW - timedelta(hours=1)).timestamp(),
)


def delivery_of(event_id: UUID) -> UUID:
    return uuid5(event_id, str(ENDPOINT))


def record(topic: str) -> Record:
    body = {
        "payment_id": str(PAYMENT),
        "payer_account_id": str(PAYER),
        "payee_account_id": str(PAYEE),
    }
    headers = {"ce_id": str(EVENTS[topic]), "ce_source": "x", "ce_time": NOW.isoformat()}
    encoded = tuple((name, text.encode()) for name, text in headers.items())
    return Record(topic, 0, 0, 0, b"k", json.dumps(body).encode(), encoded)


def row(event_id: UUID, **changed: Any) -> dict[str, Any]:
    return {
        "endpoint_id": ENDPOINT,
        "delivery_id": delivery_of(event_id),
        "state": "delivered",
        "tries": 1,
        "due_at": NOW,
        "created_at": NOW,
    } | changed


def heard(topic: str, number: int = 0, **changed: Any) -> Heard:
    found = Heard(
        number,
        str(ENDPOINT),
        str(delivery_of(EVENTS[topic])),
        str(EVENTS[topic]),
        topic,
        str(PAYMENT),
        is_signed=True,
        status=204,
    )
    return found._replace(**changed)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    """Both events told in their order, and both people."""
    found = Evidence(History(0), {})
    found.add(map(record, EVENTS))
    found.tables = {
        "webhook_deliveries": [row(REQUEST), row(POSTED)],
        "accounts": [{"account_id": each, "kind": "wallet"} for each in (PAYER, PAYEE)],
        "notifications": [
            {"subject": "payment-sent", "account_id": PAYER, "count": 1},
            {"subject": "payment-received", "account_id": PAYEE, "count": 1},
        ],
    }
    hear(found, *(heard(topic, number) for number, topic in enumerate(EVENTS)), at=tmp_path)
    return found


def hear(evidence: Evidence, *heards: Heard, at: Path) -> None:
    """Let this be what the receiver wrote down."""
    names = ("to", "id", "event", "type", "subject", "signed", "status")
    lines = [json.dumps(dict(zip(names, each[1:], strict=True))) for each in heards]
    (at / HEARD).write_text("".join(f"{line}\n" for line in lines))
    (at / ENDPOINTS).write_text(json.dumps([TOLD.model_dump()]))
    evidence.hearing = read_hearing(at)


def faults(evidence: Evidence) -> list[str]:
    found = (*webhook_faults(evidence), *notification_faults(evidence))
    return [fault.what for fault in found]


def test_what_was_told_rightly_has_no_fault(evidence: Evidence) -> None:
    assert faults(evidence) == []


REQUESTED, ENDED = EVENTS
BOTH = heard(REQUESTED), heard(ENDED)


@pytest.mark.parametrize(
    ("heards", "told"),
    [
        ((BOTH[0],), "is said to be delivered, and was not"),
        ((BOTH[0], heard(ENDED, status=500)), "is said to be delivered, and was not"),
        ((BOTH[1], BOTH[0]), "posted was told before the request was"),
        ((heard(REQUESTED, status=500), BOTH[1], BOTH[0]), "posted was told before the request"),
        ((*BOTH, heard(ENDED, message_id="fresh")), "is of no event"),
        ((*BOTH, heard(ENDED, is_signed=False)), "is not signed"),
        ((*BOTH, heard(ENDED, event_type="payment.refused.v1")), "says other things"),
    ],
)
def test_what_was_heard_wrongly_is_told(
    evidence: Evidence, tmp_path: Path, heards: tuple[Heard, ...], told: str
) -> None:
    hear(evidence, *heards, at=tmp_path)

    assert any(told in fault for fault in faults(evidence)), faults(evidence)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows.pop(), "was not planned"),
        (lambda rows: rows.append(row(ROOT)), "is of no event"),
        (lambda rows: rows.append(row(ROOT, state="pending")), "is of no event"),
        (lambda rows: rows[0].update(state="dead"), "was given up early"),
        (lambda rows: rows[0].update(state="pending", due_at=NOW), "was not told in time"),
    ],
)
def test_what_is_planned_wrongly_is_told(
    evidence: Evidence, change: Callable[[list[Any]], None], told: str
) -> None:
    change(evidence.tables["webhook_deliveries"])

    assert any(told in fault for fault in faults(evidence)), faults(evidence)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows.pop(), "0 notifications"),
        (lambda rows: rows[0].update(count=2), "2 notifications"),
        (lambda rows: rows.append({**rows[0], "account_id": ROOT}), "of 0 payments"),
        (lambda rows: rows.append({**rows[0], "subject": "payment-refused"}), "of 0 refusals"),
    ],
)
def test_notifications_that_are_not_what_happened_are_told(
    evidence: Evidence, change: Callable[[list[Any]], None], told: str
) -> None:
    change(evidence.tables["notifications"])

    assert any(told in fault for fault in faults(evidence)), faults(evidence)


async def test_what_we_send_is_written_down_before_it_is_answered_and_flaps_once_an_id(
    tmp_path: Path,
) -> None:
    signer = Signer(TOLD.secret)
    body = json.dumps({"id": str(REQUEST), "type": REQUESTED, "subject": str(PAYMENT)}).encode()
    outgoing = Outgoing(clock=SystemClock(), loopback=True)
    with (tmp_path / HEARD).open("ab") as file:
        receiver = Receiver(tmp_path, file)
        receiver.know("/ordered", TOLD)
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ordered"
        heeding = asyncio.create_task(receiver.heed())

        async def send(message_id: str) -> int:
            headers = signed_headers([signer], message_id, 7, body)
            return (await outgoing.post(url, headers, body)).status

        async def flaps() -> bool:
            return await send(str(uuid4())) == 500

        assert await send("one") == 204
        (tmp_path / FLAPS).write_text("60\n")
        await eventually(flaps)
        answers = [await send("two"), await send("two"), await send("one")]
        heeding.cancel()
        outgoing.close()
        server.close()
        # The receiver's own ends of the connections: they end when ours have.
        ends = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*ends, return_exceptions=True)

    assert answers == [500, 204, 500]
    (tmp_path / ENDPOINTS).write_text("[]")
    first, *_, last = read_hearing(tmp_path).heard
    assert (first.message_id, first.event_id, first.is_signed) == ("one", str(REQUEST), True)
    assert (last.message_id, last.status) == ("one", 500)


def test_the_receiver_believes_a_signature_of_its_secret_alone() -> None:
    key = base64.b64decode(TOLD.secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.digest(key, b"id.7.body", hashlib.sha256)).decode()
    headers = {"webhook-id": "id", "webhook-timestamp": "7", "webhook-signature": f"v1,{right}"}

    assert is_right(TOLD.secret, headers, b"body")
    assert not is_right(TOLD.secret, headers, b"other")
    assert not is_right(TOLD.secret, {**headers, "webhook-id": "fresh"}, b"body")
    assert not is_right(TOLD.secret, {**headers, "webhook-signature": ""}, b"body")
