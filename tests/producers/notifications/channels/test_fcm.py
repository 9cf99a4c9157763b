"""Pushes through Google, against a server that grants, takes and errs as Google's does."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from domain.errors import Invalid
from producers.notifications.channels.fcm import SCOPE, FcmCarrier, ServiceAccount
from producers.notifications.channels.port import Fate, Gone, Later, Letter, Refused, Sent
from tests.producers.notifications.hands import Hands
from tests.support.certificates import LocalTls
from tests.support.http2_server import Asked, Http2Server, Told, http2_server
from tests.support.memory_stage import NOW

PRIVATE = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
SEND = "/v1/projects/titan-demo/messages:send"
LETTER = Letter(
    delivery_id=uuid4(),
    to="fcm-token:APA91b",
    title="Payment received",
    body="You received a payment.",
    expires_at=NOW + timedelta(hours=24),
    data={"notification_id": "n1"},
)


def failed(status: int, name: str, code: str | None = None, **more: Any) -> Told:
    """An error as FCM tells it."""
    details: list[dict[str, Any]] = []
    if code is not None:
        kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
        details.append({"@type": kind, "errorCode": code})
    if "field" in more:
        kind = "type.googleapis.com/google.rpc.BadRequest"
        details.append({"@type": kind, "fieldViolations": [{"field": more["field"]}]})
    error = {"code": status, "message": "no", "status": name, "details": details}
    return Told(status, {"error": error}, more.get("headers", {}))


@dataclass
class Google:
    """The server, what it answers next, and our side."""

    server: Http2Server
    clock: Hands = field(default_factory=Hands)
    answers: list[Told] = field(default_factory=list)
    grants: list[Told] = field(default_factory=list)
    carrier: FcmCarrier | None = None

    def handle(self, asked: Asked) -> Told:
        if asked.path == "/token":
            number = sum(each.path == "/token" for each in self.server.asked)
            granted = {"access_token": f"grant-{number - 1}", "expires_in": 3600}
            return self.grants.pop(0) if self.grants else Told(200, granted)
        return self.answers.pop(0) if self.answers else Told(200, {"name": "projects/x/messages/1"})

    async def send(self) -> Fate:
        assert self.carrier is not None
        return await self.carrier.send(LETTER)

    def asked_at(self, path: str) -> list[Asked]:
        return [asked for asked in self.server.asked if asked.path == path]

    @property
    def grants_used(self) -> list[str]:
        return [
            asked.headers["authorization"].removeprefix("Bearer ") for asked in self.asked_at(SEND)
        ]


@asynccontextmanager
async def google(directory: Path) -> AsyncIterator[Google]:
    tls = LocalTls(directory, protocols=("h2",))
    at = Google(Http2Server())
    async with http2_server(lambda asked: at.handle(asked), tls) as server:  # noqa: PLW0108 - `at` has its server only now
        at.server = server
        account = ServiceAccount(
            project_id="titan-demo",
            client_email="push@titan-demo.iam.example",
            private_key=PEM,
            private_key_id="k1",
            token_uri=f"{server.url}/token",
        )
        at.carrier = FcmCarrier(account, url=server.url, clock=at.clock, tls=tls.client)
        try:
            yield at
        finally:
            await at.carrier.close()


async def test_a_push_is_what_google_documents(tmp_path: Path) -> None:
    async with google(tmp_path) as at:
        assert await at.send() == Sent()

    [asked] = at.asked_at(SEND)
    tag = str(LETTER.delivery_id)
    assert asked.document == {
        "message": {
            "token": LETTER.to,
            "notification": {"title": LETTER.title, "body": LETTER.body},
            "data": {"notification_id": "n1"},
            "android": {"ttl": "86400s", "collapse_key": tag, "notification": {"tag": tag}},
        }
    }
    [granting] = at.asked_at("/token")
    form = parse_qs(granting.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    [assertion] = form["assertion"]
    assert jwt.get_unverified_header(assertion)["alg"] == "RS256"
    claims = jwt.decode(
        assertion,
        PRIVATE.public_key(),
        algorithms=["RS256"],
        audience=f"{at.server.url}/token",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (claims["iss"], claims["scope"]) == ("push@titan-demo.iam.example", SCOPE)
    assert claims["exp"] - claims["iat"] == 3600


async def test_one_grant_serves_many_pushes_at_once_until_it_is_about_to_end(
    tmp_path: Path,
) -> None:
    async with google(tmp_path) as at:
        await asyncio.gather(*(at.send() for _ in range(10)))
        at.clock.pass_s(3_539)
        await at.send()
        assert len(at.asked_at("/token")) == 1
        at.clock.pass_s(2)
        await at.send()

    assert Counter(at.grants_used) == {"grant-0": 11, "grant-1": 1}


@pytest.mark.parametrize(
    ("told", "fate"),
    [
        (failed(404, "NOT_FOUND", "UNREGISTERED"), Gone("UNREGISTERED")),
        (failed(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Gone("SENDER_ID_MISMATCH")),
        (
            failed(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", field="message.token"),
            Gone("INVALID_TOKEN"),
        ),
        (
            failed(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", field="message.data"),
            Refused("INVALID_ARGUMENT"),
        ),
        (
            failed(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", headers={"retry-after": "90"}),
            Later("QUOTA_EXCEEDED", 90.0, True),
        ),
        (failed(503, "UNAVAILABLE", "UNAVAILABLE"), Later("UNAVAILABLE", None, True)),
        (failed(500, "INTERNAL", "INTERNAL"), Later("INTERNAL", None, True)),
        (
            failed(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
            Later("THIRD_PARTY_AUTH_ERROR", None, True),
        ),
        (Told(502, "<html>"), Later("502", None, True)),
        (Told(404, {"error": "what"}), Refused("404")),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Told) else "",
)
async def test_each_documented_error_has_its_fate(told: Told, fate: Fate, tmp_path: Path) -> None:
    async with google(tmp_path) as at:
        at.answers.append(told)
        assert await at.send() == fate


async def test_a_grant_that_is_not_believed_any_more_is_replaced(tmp_path: Path) -> None:
    async with google(tmp_path) as at:
        await at.send()
        at.answers.append(failed(401, "UNAUTHENTICATED"))
        assert await at.send() == Later("UNAUTHENTICATED", None, True)
        assert await at.send() == Sent()
    assert at.grants_used == ["grant-0", "grant-0", "grant-1"]


@pytest.mark.parametrize("told", [Told(400, {"error": "invalid_grant"}), Told(200, {}), Told(503)])
async def test_without_a_grant_nothing_is_sent(told: Told, tmp_path: Path) -> None:
    async with google(tmp_path) as at:
        at.grants.append(told)
        assert await at.send() == Later("no_grant", None, True)
        assert at.asked_at(SEND) == []
        assert await at.send() == Sent()


def test_a_file_that_is_no_service_account_is_refused_without_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"project_id": "p", "private_key": "SECRET"}))
    with pytest.raises(Invalid, match="TITAN_FCM_SERVICE_ACCOUNT_FILE") as caught:
        ServiceAccount.read(path)
    assert "SECRET" not in str(caught.value)
    path.write_text("nonsense")
    with pytest.raises(Invalid):
        ServiceAccount.read(path)
