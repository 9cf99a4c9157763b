"""Apple's push service: HTTP/2, one provider token for many pushes.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import jwt
import structlog

from producers.notifications.channels.port import (
    CONNECT_S_MAX,
    SEND_S_MAX,
    Fate,
    Gone,
    Later,
    Letter,
    Refused,
    Sent,
    retry_after_s,
)
from runtime.clock import Clock

PAYLOAD_BYTES_MAX: Final = 4_096
"""Apple takes no larger one."""

TOKEN_REUSED_S: Final = 40 * 60
"""A provider token is used so long: Apple refuses it after 60 minutes."""

TOKEN_KEPT_S_MIN: Final = 20 * 60
"""A younger one is not replaced: Apple refuses who makes a new one more often."""

_CONNECTIONS_MAX: Final = 2
_TOKEN_GONE: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic"})
_TOKEN_EXPIRED: Final = frozenset({"Unregistered", "ExpiredToken"})
_OURS: Final = frozenset(
    {"ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken", "BadCertificate"}
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApnsKey:
    """Who we are to Apple. `private_key` is the PEM of an EC key on P-256."""

    private_key: str
    key_id: str
    team_id: str
    topic: str


class ProviderToken:
    """The token that says who sends: ES256, used again for 40 minutes."""

    def __init__(self, key: ApnsKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._token: str | None = None
        self._made_s = 0.0

    def current(self) -> str:
        """The token, a new one where it is old."""
        age_s = self._clock.monotonic_s() - self._made_s
        if self._token is None or age_s >= TOKEN_REUSED_S:
            claims = {"iss": self._key.team_id, "iat": int(self._clock.now().timestamp())}
            headers = {"kid": self._key.key_id}
            self._token = jwt.encode(
                claims, self._key.private_key, algorithm="ES256", headers=headers
            )
            self._made_s = self._clock.monotonic_s()
        return self._token

    def distrust(self) -> bool:
        """Apple calls it expired: whether another may be made by now."""
        if self._clock.monotonic_s() - self._made_s < TOKEN_KEPT_S_MIN:
            return False
        self._token = None
        return True


class ApnsCarrier:
    """Pushes to Apple's devices."""

    def __init__(
        self, key: ApnsKey, *, url: str, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self._topic = key.topic
        self._token = ProviderToken(key, clock)
        self._http = httpx.AsyncClient(
            base_url=url,
            http1=False,
            http2=True,
            verify=tls or ssl.create_default_context(),
            timeout=httpx.Timeout(SEND_S_MAX, connect=CONNECT_S_MAX),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX),
            trust_env=False,
        )

    async def send(self, letter: Letter) -> Fate:
        """One push. Its id and its collapse id are the delivery's: a repeat replaces it."""
        payload = json.dumps(
            {
                "aps": {"alert": {"title": letter.title, "body": letter.body}, "sound": "default"},
                **letter.data,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        if len(payload) > PAYLOAD_BYTES_MAX:
            return Refused("payload_too_large")
        headers = {
            "authorization": f"bearer {self._token.current()}",
            "apns-topic": self._topic,
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-id": str(letter.delivery_id),
            "apns-collapse-id": str(letter.delivery_id),
            "apns-expiration": str(int(letter.expires_at.timestamp())),
        }
        try:
            # Of httpx's own characters none may end the path: a token is hexadecimal.
            answer = await self._http.post(
                f"/3/device/{letter.to}", content=payload, headers=headers
            )
        except httpx.HTTPError as error:
            return Later(type(error).__name__, is_everybodys=True)
        return self._fate(answer, letter)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _fate(self, answer: httpx.Response, letter: Letter) -> Fate:
        if answer.status_code == httpx.codes.OK:
            return Sent()
        told = _document(answer)
        reason = str(told.get("reason", answer.status_code))[:64]
        if reason in _TOKEN_GONE:
            return Gone(reason)
        if answer.status_code == httpx.codes.GONE or reason in _TOKEN_EXPIRED:
            return _fate_of_unregistered(reason, told, letter)
        if reason in _OURS:
            return self._fate_of_ours(reason)
        return _fate_by_status(answer, reason)

    def _fate_of_ours(self, reason: str) -> Fate:
        """What Apple says against who sends, and not against what is sent."""
        if reason == "ExpiredProviderToken" and self._token.distrust():
            return Later(reason, after_s=0.0)
        log.error("apns_refuses_us", reason=reason)
        return Later(reason, is_everybodys=True)


def _fate_by_status(answer: httpx.Response, reason: str) -> Fate:
    after_s = retry_after_s(answer.headers.get("retry-after"))
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        # Too many to one device; but too many new provider tokens are everybody's matter.
        return Later(reason, after_s, is_everybodys=reason == "TooManyProviderTokenUpdates")
    if answer.is_server_error:
        return Later(reason, after_s, is_everybodys=True)
    return Refused(reason)


def _fate_of_unregistered(reason: str, told: Mapping[str, Any], letter: Letter) -> Fate:
    """Apple tells since when a token is no more: a device that came again later has it anew."""
    since_ms = told.get("timestamp")
    if isinstance(since_ms, int) and letter.registered_at is not None:
        since = datetime.fromtimestamp(since_ms / 1000, UTC)
        if letter.registered_at > since:
            return Later(reason)
    return Gone(reason)


def _document(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
