"""Pushes to Apple, against a server that speaks HTTP/2 over TLS and errs as Apple's does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from producers.notifications.channels.apns import ApnsCarrier, ApnsKey
from producers.notifications.channels.port import Fate, Gone, Later, Letter, Refused, Sent
from tests.producers.notifications.hands import Hands
from tests.support.certificates import LocalTls
from tests.support.http2_server import Asked, Http2Server, Told, http2_server
from tests.support.memory_stage import NOW

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
KEY = ApnsKey(private_key=PEM, key_id="ABC123DEFG", team_id="DEF123GHIJ", topic="org.titan.app")
TOKEN = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0"
LETTER = Letter(
    delivery_id=uuid4(),
    to=TOKEN,
    title="Zahlung erhalten",
    body="Du hast eine Zahlung erhalten.",
    expires_at=NOW + timedelta(hours=24),
    data={"notification_id": "n1"},
    registered_at=NOW,
)


@dataclass
class Apple:
    """The server, what it answers next, and our side."""

    server: Http2Server
    carrier: ApnsCarrier
    clock: Hands
    answers: list[Told | None]

    async def send(self, letter: Letter = LETTER) -> Fate:
        return await self.carrier.send(letter)

    @property
    def provider_tokens(self) -> list[str]:
        return [
            asked.headers["authorization"].removeprefix("bearer ") for asked in self.server.asked
        ]


@asynccontextmanager
async def apple(directory: Path) -> AsyncIterator[Apple]:
    tls = LocalTls(directory, protocols=("h2",))
    answers: list[Told | None] = []

    def handle(_: Asked) -> Told:
        told = answers.pop(0) if answers else Told()
        if told is None:
            raise ConnectionResetError
        return told

    async with http2_server(handle, tls) as server:
        clock = Hands()
        carrier = ApnsCarrier(KEY, url=server.url, clock=clock, tls=tls.client)
        try:
            yield Apple(server, carrier, clock, answers)
        finally:
            await carrier.close()


async def test_a_push_is_what_apple_documents(tmp_path: Path) -> None:
    async with apple(tmp_path) as at:
        assert await at.send() == Sent()

    [asked] = at.server.asked
    assert (asked.method, asked.path) == ("POST", f"/3/device/{TOKEN}")
    assert asked.document == {
        "aps": {
            "alert": {"title": LETTER.title, "body": LETTER.body},
            "sound": "default",
        },
        "notification_id": "n1",
    }
    assert asked.headers["apns-topic"] == "org.titan.app"
    assert asked.headers["apns-push-type"] == "alert"
    assert asked.headers["apns-id"] == asked.headers["apns-collapse-id"] == str(LETTER.delivery_id)
    assert asked.headers["apns-expiration"] == str(int(LETTER.expires_at.timestamp()))
    [token] = at.provider_tokens
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": KEY.key_id, "typ": "JWT"}
    claims = jwt.decode(
        token, PRIVATE.public_key(), algorithms=["ES256"], options={"verify_iat": False}
    )
    assert claims == {"iss": KEY.team_id, "iat": int(NOW.timestamp())}


async def test_many_pushes_share_a_connection_and_a_provider_token(tmp_path: Path) -> None:
    async with apple(tmp_path) as at:
        for _ in range(5):
            assert await at.send() == Sent()
            at.clock.pass_s(7 * 60)
        assert len(set(at.provider_tokens)) == 1
        at.clock.pass_s(6 * 60)
        await at.send()

    assert at.server.connections == 1
    assert len(set(at.provider_tokens)) == 2


@pytest.mark.parametrize(
    ("told", "fate"),
    [
        (Told(400, {"reason": "BadDeviceToken"}), Gone("BadDeviceToken")),
        (Told(400, {"reason": "DeviceTokenNotForTopic"}), Gone("DeviceTokenNotForTopic")),
        (Told(410, {"reason": "Unregistered"}), Gone("Unregistered")),
        (Told(410, {"reason": "ExpiredToken"}), Gone("ExpiredToken")),
        (Told(400, {"reason": "BadTopic"}), Refused("BadTopic")),
        (Told(413, {"reason": "PayloadTooLarge"}), Refused("PayloadTooLarge")),
        (Told(405, None), Refused("405")),
        (Told(403, {"reason": "InvalidProviderToken"}), Later("InvalidProviderToken", None, True)),
        (Told(429, {"reason": "TooManyRequests"}), Later("TooManyRequests")),
        (
            Told(429, {"reason": "TooManyProviderTokenUpdates"}, {"retry-after": "60"}),
            Later("TooManyProviderTokenUpdates", 60.0, True),
        ),
        (Told(500, {"reason": "InternalServerError"}), Later("InternalServerError", None, True)),
        (
            Told(503, {"reason": "ServiceUnavailable"}, {"retry-after": "7"}),
            Later("ServiceUnavailable", 7.0, True),
        ),
        (Told(503, [1]), Later("503", None, True)),
    ],
    ids=lambda value: value.document if isinstance(value, Told) else "",
)
async def test_each_documented_error_has_its_fate(told: Told, fate: Fate, tmp_path: Path) -> None:
    async with apple(tmp_path) as at:
        at.answers.append(told)
        assert await at.send() == fate


async def test_a_device_that_came_again_after_apple_missed_it_is_kept(tmp_path: Path) -> None:
    gone_ms = int(NOW.timestamp() * 1000)
    async with apple(tmp_path) as at:
        for registered_at, fate in [
            (NOW + timedelta(minutes=1), Later("Unregistered")),
            (NOW - timedelta(minutes=1), Gone("Unregistered")),
        ]:
            at.answers.append(Told(410, {"reason": "Unregistered", "timestamp": gone_ms}))
            assert await at.send(replace(LETTER, registered_at=registered_at)) == fate


async def test_an_expired_provider_token_is_replaced_but_not_too_often(tmp_path: Path) -> None:
    expired = Told(403, {"reason": "ExpiredProviderToken"})
    async with apple(tmp_path) as at:
        at.answers.append(expired)
        # Made just now: whoever makes them faster than every 20 minutes is refused.
        assert await at.send() == Later("ExpiredProviderToken", None, True)
        at.clock.pass_s(21 * 60)
        at.answers.append(expired)
        assert await at.send() == Later("ExpiredProviderToken", 0.0, False)
        assert await at.send() == Sent()

    assert len(set(at.provider_tokens)) == 2
    assert at.provider_tokens[0] == at.provider_tokens[1] != at.provider_tokens[2]


async def test_a_payload_over_apples_limit_is_not_sent(tmp_path: Path) -> None:
    async with apple(tmp_path) as at:
        assert await at.send(replace(LETTER, body="x" * 4096)) == Refused("payload_too_large")
    assert at.server.asked == []


async def test_a_cut_connection_is_everybodys_matter_and_the_next_push_opens_another(
    tmp_path: Path,
) -> None:
    async with apple(tmp_path) as at:
        at.answers.append(None)
        fate = await at.send()
        assert isinstance(fate, Later)
        assert fate.is_everybodys
        assert await at.send() == Sent()
    assert at.server.connections == 2


async def test_a_server_that_nobody_vouches_for_hears_nothing(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    async with apple(tmp_path) as at:
        carrier = ApnsCarrier(KEY, url=at.server.url, clock=at.clock, tls=LocalTls(stranger).client)
        fate = await carrier.send(LETTER)
        await carrier.close()
    assert fate == Later("ConnectError", None, True)
    assert at.server.asked == []
