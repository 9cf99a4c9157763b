"""Single requests against the whole system, each with the end that its client can see."""

import asyncio
import json
import shlex
import shutil
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.storm.checking import check
from tests.support.waiting import eventually
from titan.chaos.check_flow import FINAL
from titan.chaos.history import Intent
from titan.chaos.people import TREASURY, claim, open_account
from titan.chaos.target import RECOVERY_S_MAX, Target

pytestmark = [
    pytest.mark.storm,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

# As the project was first described, letter for letter.
CURL_LINE = (
    'curl -X POST http://localhost:8002/payments -H "Content-Type: application/json" -d '
    '\'{"from_handle":"alice","to_handle":"bob","amount":1000,"currency":"USD",'
    '"payment_type":"WALLET","description":"Test payment"}\''
)


async def ended(storm: Target, intent: Intent) -> Any:
    """The payment, once it has ended."""

    async def found() -> Any:
        payment = await storm.client.payment(intent)
        return payment if payment and payment["state"] in FINAL else None

    return await eventually(found, RECOVERY_S_MAX)


async def test_twenty_requests_at_once_under_one_key_are_one_payment(storm: Target) -> None:
    intent = storm.client.history.intend("alice", "bob", 100)

    answers = await asyncio.gather(*(storm.client.ask_once(intent) for _ in range(20)))

    assert {answer.status for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19
    assert (await ended(storm, intent))["state"] == "posted"
    await check(storm)


async def test_another_body_under_a_used_key_is_refused_and_moves_nothing(storm: Target) -> None:
    intend = storm.client.history.intend

    async def caught() -> Intent | None:
        """The first of a pair whose second was refused at the door.

        Where neither cache nor projection answers an edge in time, both are let in, and the log
        decides: the next test.
        """
        first = intend("alice", "bob", 100)
        assert (await storm.client.ask_once(first)).status == 202
        answer = await storm.client.ask_once(intend("alice", "bob", 101, key=first.key))
        if answer.status == 202:
            return None
        assert (answer.status, answer.json()["code"]) == (422, "idempotency_key_reuse")
        return first

    first = await eventually(caught, RECOVERY_S_MAX)

    assert first is not None
    assert (await ended(storm, first))["amount"] == 100
    again = await storm.client.ask_once(intend("alice", "bob", 101, key=first.key))
    assert (again.status, again.json()["code"]) == (422, "idempotency_key_reuse")
    await check(storm)


async def test_another_body_that_no_edge_could_catch_is_shown_as_a_conflict(storm: Target) -> None:
    """The cache is away and the projection is behind: so both are let in, and the log decides."""
    intend = storm.client.history.intend
    first = intend("alice", "bob", 100)
    other = intend("alice", "bob", 101, key=first.key)
    projection = storm.worker_of("payment_projection")
    with storm.held(storm.server("Valkey").pid, projection.pid):
        assert (await storm.client.ask_once(first)).status == 202
        assert (await storm.client.ask_once(other)).status == 202

    async def conflicted() -> Any:
        payment = await ended(storm, first)
        return payment if payment["conflicted_at"] else None

    payment = await eventually(conflicted, RECOVERY_S_MAX)

    assert (payment["state"], payment["amount"]) == ("posted", 100)
    again = intend("alice", "bob", 101, key=first.key)
    answer = await storm.client.ask_once(again)
    assert (answer.status, answer.json()["code"]) == (422, "idempotency_key_reuse")
    await check(storm)


async def test_what_cannot_be_paid_is_refused_with_the_reason(storm: Target) -> None:
    client = storm.client
    penniless = await open_account(client, "penniless")
    alice = client.history.accounts["alice"]
    await asyncio.gather(claim(client, "penniless", penniless), claim(client, "alias", alice))
    intend = storm.client.history.intend
    wanted = {
        "unknown_payer": intend("nobody.there", "bob", 100),
        "unknown_payee": intend("alice", "nobody.there", 100),
        "same_account": intend("alice", "alias", 100),
        "insufficient_funds": intend("penniless", "bob", 100),
        "amount_over_limit": intend("alice", "bob", 100_001),
    }
    to_self = intend("alice", "alice", 100)

    await asyncio.gather(*(storm.client.pay(intent) for intent in wanted.values()))
    answer = await storm.client.ask_once(to_self)

    payments = {code: await ended(storm, intent) for code, intent in wanted.items()}
    assert {payment["state"] for payment in payments.values()} == {"refused"}
    assert {code: payment["refusal_code"] for code, payment in payments.items()} == {
        code: code for code in wanted
    }
    assert {payment["posting_id"] for payment in payments.values()} == {None}
    assert (answer.status, answer.json()["code"]) == (422, "self_payment")
    await check(storm)


async def by_curl(line: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *shlex.split(line),
        "--silent",
        "--show-error",
        "--include",
        stdout=asyncio.subprocess.PIPE,
    )
    answered, _ = await process.communicate()
    return answered.decode()


async def by_socket(line: str) -> str:
    """The bytes that curl sends."""
    url, header, body = (word for word in shlex.split(line)[3:] if word not in {"-H", "-d"})
    parts = urlsplit(url)
    request = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: curl/8.5.0\r\n"
        f"Accept: */*\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    writer.write(request.encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lengths = [line for line in head.lower().splitlines() if line.startswith("content-length:")]
    answered = await reader.readexactly(int(lengths[0].partition(":")[2]))
    writer.close()
    await writer.wait_closed()
    return head + answered.decode()


WAYS = [by_socket, by_curl] if shutil.which("curl") else [by_socket]


@pytest.mark.parametrize("send", WAYS)
async def test_the_curl_line_of_the_first_description_works_as_it_stands(
    storm: Target, send: Callable[[str], Awaitable[str]]
) -> None:
    await storm.client.pay(storm.client.history.intend(TREASURY, "alice", 1_000))
    port = urlsplit(storm.client.payments_url).port

    head, _, body = (await send(CURL_LINE.replace("8002", str(port)))).partition("\r\n\r\n")

    status, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert status.startswith("HTTP/1.1 202")
    intent = storm.client.history.intend(
        "alice", "bob", 1_000, key=headers["idempotency-key"], description="Test payment"
    )
    storm.client.note(intent, 202, json.loads(body))
    payment = await ended(storm, intent)
    assert (payment["state"], payment["description"]) == ("posted", "Test payment")
    await check(storm)
