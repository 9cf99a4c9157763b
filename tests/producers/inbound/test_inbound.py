"""A provider's message is in the log before it is told so, as it came, and once."""

import asyncio
import base64
import hashlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import yaml

from producers.inbound import receipts
from producers.inbound.decide import purpose_of
from producers.inbound.receipts import DAYS_KEPT
from producers.inbound.routes_inbound import INBOUND_BYTES_MAX
from runtime.clock import SystemClock
from tests.producers.inbound.place import TABLE, Door, Place
from tests.producers.inbound.senders import SENDERS, hex_of, standard, stripe, trice
from titan.servers.ports import free_port

pytestmark = pytest.mark.real

PROVIDERS = [*SENDERS, "plaid"]


def now_s() -> int:
    return int(SystemClock().now().timestamp())


def signed(door: Door, provider: str, body: bytes) -> dict[str, str]:
    if provider == "plaid":
        return door.plaid(body, now_s())
    if provider == "standard":
        return standard(body, now_s(), message_id=f"msg_{uuid4()}")
    return SENDERS[provider](body, now_s())


def a_json_body() -> bytes:
    return b'{"id": "%s", "data": {"transaction_id": "%s"}}' % (
        str(uuid4()).encode(),
        str(uuid4()).encode(),
    )


async def about(place: Place, body: bytes) -> list[dict[str, Any]]:
    """The log's records of a body."""
    digest = hashlib.sha256(body).hexdigest()
    return [value for value in await place.logged() if value["body_sha256"] == digest]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_it_is_in_the_log_byte_for_byte_once_it_is_answered(
    place: Place, door: Door, provider: str
) -> None:
    body = b'\xef\xbb\xbf{ "id":\t"%s", "odd": "\xff\xfe\x00" }' % str(uuid4()).encode()
    if provider == "standard":
        # Its reference library signs text only.
        body = a_json_body()

    answer = await door.send(provider, body, signed(door, provider, body))

    assert (answer.status, answer.document) == (200, {"status": "received"})
    [event] = await about(place, body)
    assert event["provider"] == provider
    assert event["headers"]["ce_type"] == b"inbound.received.v1"
    assert event["headers"]["ce_id"].decode() == event["request_id"]
    if provider == "blnk":
        text = event["body"]
        assert "body_sealed" not in event
    else:
        assert "body" not in event
        text = await place.opened(event["body_sealed"], purpose_of(event["request_id"]))
    assert base64.b64decode(text) == body


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_repeat_is_200_and_has_no_effect(place: Place, door: Door, provider: str) -> None:
    body = a_json_body()
    headers = signed(door, provider, body)

    answers = [await door.send(provider, body, headers) for _ in range(3)]

    assert [answer.document["status"] for answer in answers] == ["received", *["repeated"] * 2]
    assert {answer.status for answer in answers} == {200}
    assert len(await about(place, body)) == 1


@pytest.mark.parametrize("provider", ["standard", "stripe", "trice"])
async def test_the_same_message_signed_anew_is_a_repeat(
    place: Place, door: Door, provider: str
) -> None:
    body = b'{"id":"%s","state":"completed"}' % str(uuid4()).encode()
    name = {"message_id": str(uuid4())} if provider == "standard" else {}
    headers = [SENDERS[provider](body, now_s() - age_s, **name) for age_s in (60, 0)]

    first, second = [await door.send(provider, body, each) for each in headers]

    assert first.document == {"status": "received"}
    assert second.document == {"status": "repeated"}
    assert len(await about(place, body)) == 1


async def test_a_body_without_a_name_counts_again_when_it_is_signed_again(
    place: Place, door: Door
) -> None:
    # Plaid says "there is something new" in the same words each time.
    body = b'{"webhook_type":"TRANSFER","webhook_code":"TRANSFER_EVENTS_UPDATE"}'
    before = len(await about(place, body))

    for age_s in (60, 0):
        answer = await door.send("plaid", body, door.plaid(body, now_s() - age_s))
        assert answer.document == {"status": "received"}

    assert len(await about(place, body)) == before + 2


async def test_of_many_at_once_one_is_published(place: Place, door: Door) -> None:
    body = b'{"id":"%s"}' % str(uuid4()).encode()
    headers = stripe(body, now_s())

    answers = await asyncio.gather(*(door.send("stripe", body, headers) for _ in range(20)))

    assert {answer.status for answer in answers} <= {200, 503}
    assert [a.document["status"] for a in answers if a.status == 200].count("received") == 1
    assert len(await about(place, body)) == 1
    assert (await door.send("stripe", body, headers)).document == {"status": "repeated"}


async def test_while_the_broker_is_away_nothing_is_acknowledged_and_a_retry_is_taken(
    place: Place, door: Door
) -> None:
    body = b'{"id":"%s"}' % str(uuid4()).encode()
    headers = stripe(body, now_s())

    async with place.door(kafka_bootstrap=f"127.0.0.1:{free_port()}") as cut_off:
        answer = await cut_off.send("stripe", body, headers)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert await about(place, body) == []

    assert (await door.send("stripe", body, headers)).document == {"status": "received"}
    assert len(await about(place, body)) == 1


async def test_what_was_claimed_by_a_process_that_died_is_published_by_the_next(
    place: Place, door: Door
) -> None:
    body = b'{"id":"%s"}' % str(uuid4()).encode()
    headers = stripe(body, now_s())
    assert (await door.send("stripe", body, headers)).status == 200
    [event] = await about(place, body)
    async with place.database() as database, database.connection() as connection:
        # As it stands between the claim and the acknowledgement.
        await connection.execute(
            "UPDATE inbound_receipts SET published_at = NULL, claimed_at = now()"
            " WHERE request_id = $1",
            event["request_id"],
        )
        young = await door.send("stripe", body, headers)
        assert (young.status, young.code) == (503, "under_way")
        await connection.execute(
            "UPDATE inbound_receipts SET claimed_at = now() - interval '11 s'"
            " WHERE request_id = $1",
            event["request_id"],
        )

    answer = await door.send("stripe", body, headers)

    assert answer.document == {"status": "received"}
    first, again = await about(place, body)
    assert first["headers"]["ce_id"] == again["headers"]["ce_id"]
    assert first["requested_at"] == again["requested_at"]


async def test_a_message_is_known_for_ninety_days(place: Place) -> None:
    now = SystemClock().now()
    ids = {days: uuid4() for days in (DAYS_KEPT - 1, DAYS_KEPT + 1)}
    async with place.database() as database, database.connection() as connection:
        for days, request_id in ids.items():
            await receipts.claim(
                connection,
                request_id,
                provider="stripe",
                body_sha256="0" * 64,
                claim_id=uuid4(),
                now=now - timedelta(days=days),
            )
        await receipts.sweep(connection, now)
        left = await connection.fetch(
            "SELECT request_id FROM inbound_receipts WHERE request_id = ANY($1)",
            list(ids.values()),
        )
    assert [row["request_id"] for row in left] == [ids[DAYS_KEPT - 1]]


async def test_the_largest_body_fits_and_one_byte_more_does_not(place: Place, door: Door) -> None:
    body = b'{"id":"' + str(uuid4()).encode() + b'","x":"'
    body += b"\xff" * (INBOUND_BYTES_MAX - len(body) - 2) + b'"}'

    assert (await door.send("stripe", body, stripe(body, now_s()))).status == 200
    assert len(await about(place, body)) == 1
    answer = await door.send("stripe", body + b" ", stripe(body + b" ", now_s()))
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_put_is_taken_as_post(door: Door) -> None:
    body = b'{"id":"%s"}' % str(uuid4()).encode()

    answer = await door.send("trice", body, trice(body, now_s()), method="PUT")

    assert answer.document == {"status": "received"}


@pytest.mark.parametrize("provider", ["nobody", "Stripe", "stripe%00", "..", "plaid.yaml"])
async def test_a_provider_that_is_not_served_is_not_there(door: Door, provider: str) -> None:
    answer = await door.send(provider, b"{}", stripe(b"{}", now_s()))

    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_provider_without_secrets_is_not_served(place: Place) -> None:
    async with place.door(inbound_secrets=None) as door:
        assert (await door.send("stripe", b"{}", stripe(b"{}", now_s()))).status == 404


async def test_a_new_provider_of_a_known_scheme_needs_no_code(place: Place) -> None:
    table = yaml.safe_load(TABLE.read_text("utf-8"))
    table["providers"]["acme-pay"] = {
        "rule": {
            "scheme": "hmac",
            "signature_header": "Acme-Signature",
            "timestamp_header": "Acme-Time",
            "signed": ["header:Acme-Id", "timestamp", "body"],
            "prefix": "sha256=",
        },
        "secrets": "acme",
        "data": "plain",
        "id": ["header:Acme-Id"],
    }
    path = place.folder / "more.yaml"
    path.write_text(yaml.safe_dump(table), "utf-8")
    secrets = place.folder / "secrets"
    secrets.mkdir()
    # Two secrets: one is on its way out.
    (secrets / "acme").write_text("the-old-secret-of-acme\nthe-new-secret-of-acme\n", "utf-8")
    body, message_id, time = b'{"x":1}', str(uuid4()), str(now_s())
    async with place.door(inbound_file=path, inbound_secrets=secrets) as door:
        statuses = []
        for secret in (
            "the-old-secret-of-acme",
            "the-new-secret-of-acme",
            "no-secret-of-acme-at-all",
        ):
            signature = hex_of(secret, f"{message_id}.{time}.".encode() + body)
            answer = await door.send(
                "acme-pay",
                body,
                {
                    "Acme-Id": message_id,
                    "Acme-Time": time,
                    "Acme-Signature": f"sha256={signature}",
                },
            )
            statuses.append((answer.status, answer.document.get("status")))

    assert statuses == [(200, "received"), (200, "repeated"), (401, 401)]
