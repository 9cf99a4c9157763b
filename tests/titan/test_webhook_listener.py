"""The listener, the endpoint that is made for it, and `titan webhooks listen` around both."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from domain.errors import Invalid, Unavailable
from runtime.clock import SystemClock
from runtime.settings import Settings
from runtime.standard_webhooks import Scheme, Signer, WebhookSecret, new_secret, signed_headers
from titan.demo_webhooks import DemoWebhooks
from titan.webhook_endpoint import open_endpoint
from titan.webhook_listener import BODY_BYTES_MAX, Heard, Listener, open_listener
from titan.webhooks_command import SECRETS_VARIABLE

ROOT = Path(__file__).parents[2]
CLOCK = SystemClock()
PAYMENT = "5d6a6f0e-6f1b-5b5e-9a39-1a2b3c4d5e6f"
EVENT = json.dumps({"type": "payment.posted.v1", "subject": PAYMENT}).encode()

pytestmark = pytest.mark.real


async def send(
    url: str, *secrets: WebhookSecret, body: bytes = EVENT, sent: bytes | None = None
) -> int:
    """Sign a body, send it (or what was made of it on the way), and say what was answered."""
    signers = [Signer(secret.kept) for secret in secrets]
    headers = dict(signed_headers(signers, str(uuid4()), int(CLOCK.now().timestamp()), body))
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(url, headers=headers, content=sent or body)
    return answer.status_code


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[tuple[Listener, list[Heard]]]:
    heard: list[Heard] = []
    async with open_listener(heard.append, clock=CLOCK, **options) as listener:
        yield listener, heard


@pytest.mark.parametrize("scheme", list(Scheme))
async def test_what_one_of_its_secrets_has_signed_is_verified_and_nothing_else(
    scheme: Scheme,
) -> None:
    ours, other, strangers = new_secret(scheme), new_secret(Scheme.V1), new_secret(scheme)
    async with listening(secrets=[other.shown, ours.shown], status=202) as (listener, heard):
        assert await send(listener.url, ours) == 202
        assert await send(listener.url, strangers) == 401
        assert await send(listener.url, strangers, ours) == 202
        assert await send(listener.url, ours, sent=EVENT + b" ") == 401
    assert [each.is_verified for each in heard] == [True, False, True, False]
    assert [each.fault is None for each in heard] == [True, False, True, False]
    assert {(each.event_type, each.subject) for each in heard} == {("payment.posted.v1", PAYMENT)}


async def test_a_secret_may_come_later_and_nothing_is_believed_before() -> None:
    secret = new_secret(Scheme.V1)
    async with listening() as (listener, heard):
        assert await send(listener.url, secret) == 401
        listener.trust(secret.shown)
        assert await send(listener.url, secret) == 204
        with pytest.raises(Invalid):
            listener.trust("whsec_short")
    assert [each.is_verified for each in heard] == [False, True]


async def test_without_any_secret_all_is_shown_and_nothing_called_verified() -> None:
    async with listening(secrets=None, status=503) as (listener, heard):
        assert await send(listener.url, body=b"no JSON") == 503
        assert await send(listener.url, body=b"x" * (BODY_BYTES_MAX + 1)) == 413
    [one] = heard
    assert (one.is_verified, one.fault, one.event_type) == (False, None, "?")


async def test_a_port_that_is_taken_is_one_line() -> None:
    async with listening() as (listener, _):
        with pytest.raises(Unavailable, match=str(listener.port)):
            async with listening(port=listener.port):
                pass


def an_edge(asked: list[str], endpoints: list[dict[str, str]]) -> httpx.MockTransport:
    """The edge of webhooks, as far as the commands ask it."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        if request.method == "GET":
            return httpx.Response(200, json={"data": endpoints})
        if request.method == "DELETE":
            assert request.headers["if-match"] == "*"
            return httpx.Response(204)
        if json.loads(request.content)["url"].startswith("http://127.0.0.1"):
            return httpx.Response(201, json={"endpoint_id": "new", "secret": "whsec_x"})
        return httpx.Response(422, json={"code": "url_refused", "detail": "https only"})

    return httpx.MockTransport(answer)


async def test_an_endpoint_lives_as_long_as_its_listener_and_takes_over_from_a_killed_one() -> None:
    asked: list[str] = []
    known = [
        {"endpoint_id": "left", "description": "ours"},
        {"endpoint_id": "theirs", "description": "orders"},
    ]
    async with open_endpoint(
        Settings(),
        "http://127.0.0.1:1/",
        description="ours",
        event_types=["payment.*"],
        transport=an_edge(asked, known),
    ) as secret:
        assert secret == "whsec_x"
        assert asked == [
            "GET /webhooks/endpoints",
            "DELETE /webhooks/endpoints/left",
            "POST /webhooks/endpoints",
        ]
    assert asked[3:] == ["DELETE /webhooks/endpoints/new"]


async def test_a_refusal_is_the_edges_own_words() -> None:
    with pytest.raises(Invalid, match="https only"):
        async with open_endpoint(
            Settings(),
            "http://192.168.0.1/",
            description="ours",
            event_types=[],
            transport=an_edge([], []),
        ):
            pass


async def test_the_demo_waits_for_each_of_a_payments_webhooks() -> None:
    secret, webhooks = new_secret(Scheme.V1), DemoWebhooks()
    accepted_at = CLOCK.now()
    types = ["payment.requested.v1", "payment.posted.v1"]
    async with open_listener(webhooks.hear, clock=CLOCK, secrets=[secret.shown]) as listener:
        waiting = asyncio.create_task(webhooks.until_delivered(PAYMENT, types, accepted_at))
        await send(listener.url, secret, body=json.dumps({"type": "x", "subject": "y"}).encode())
        for event_type in types:
            assert not waiting.done()
            event = {"type": event_type, "subject": PAYMENT}
            await send(listener.url, secret, body=json.dumps(event).encode())
        delivered = await waiting
    assert [each.event_type for each in delivered] == types
    assert all(each.is_verified and each.after_ms >= 0 for each in delivered)


@asynccontextmanager
async def command(
    *arguments: str, environment: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titan", "webhooks", "listen", "--port", "0", "--json"),
        *arguments,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(await process.stdout.readline())
    return line


async def test_the_command_shows_what_comes_and_ends_with_ctrl_c() -> None:
    secret = new_secret(Scheme.V1)
    async with command("--status", "410", environment={SECRETS_VARIABLE: secret.shown}) as listens:
        url = (await line_of(listens))["progress"].split(" ")[2].rstrip(",")
        assert await send(url, secret) == 410
        shown = await line_of(listens)
        assert (shown["verified"], shown["answered"], shown["subject"]) == (True, 410, PAYMENT)
        listens.send_signal(signal.SIGINT)
        assert await listens.wait() == 0


async def test_the_command_ends_by_itself_after_so_many() -> None:
    secret = new_secret(Scheme.V1A)
    async with command("--secret", secret.shown, "--count", "1") as listens:
        url = (await line_of(listens))["progress"].split(" ")[2].rstrip(",")
        assert await send(url, secret) == 204
        assert await listens.wait() == 0


async def test_the_command_says_in_one_line_what_is_no_secret() -> None:
    async with command("--secret", "mine") as listens:
        _, err = await listens.communicate()
    assert listens.returncode == 2
    assert err.decode().splitlines() == ["titan: not a secret of Standard Webhooks"]
