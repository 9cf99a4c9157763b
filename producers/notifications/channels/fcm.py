"""Google's push service: HTTP v1, with a service account's grant that is used until it ends.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
"""

import asyncio
import json
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
import jwt
import structlog

from domain.errors import Invalid, Unavailable
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

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"

ASSERTION_S: Final = 3_600
"""The statement that is exchanged for a grant is good for so long; Google takes no longer one."""

GRANT_SPARE_S: Final = 60.0
"""A grant is not used any more so long before it ends."""

_GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_CONNECTIONS_MAX: Final = 8

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Who we are to Google: what the downloaded JSON file says."""

    project_id: str
    client_email: str
    private_key: str
    private_key_id: str
    token_uri: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """The file's account; Invalid, without what is in it, if it is none."""
        try:
            given = json.loads(path.read_text("utf-8"))
            return cls(**{name: str(given[name]) for name in cls.__slots__})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Invalid(
                "invalid_service_account",
                f"TITAN_FCM_SERVICE_ACCOUNT_FILE is no service account: {type(error).__name__}",
            ) from None


class Grants:
    """The access token, asked for once by however many need it."""

    def __init__(self, account: ServiceAccount, http: httpx.AsyncClient, clock: Clock) -> None:
        self._account = account
        self._http = http
        self._clock = clock
        self._grant: str | None = None
        self._good_until_s = 0.0
        self._asking = asyncio.Lock()

    async def current(self) -> str:
        """The access token; Unavailable if Google gives none."""
        async with self._asking:
            if self._grant is None or self._clock.monotonic_s() >= self._good_until_s:
                await self._ask()
            assert self._grant is not None
            return self._grant

    def distrust(self, grant: str) -> None:
        """Google does not believe this one any more."""
        if self._grant == grant:
            self._grant = None

    async def _ask(self) -> None:
        account, now = self._account, self._clock.now()
        assertion = jwt.encode(
            {
                "iss": account.client_email,
                "scope": SCOPE,
                "aud": account.token_uri,
                "iat": now,
                "exp": now + timedelta(seconds=ASSERTION_S),
            },
            account.private_key,
            algorithm="RS256",
            headers={"kid": account.private_key_id},
        )
        form = {"grant_type": _GRANT_TYPE, "assertion": assertion}
        try:
            answer = await self._http.post(account.token_uri, data=form)
            answer.raise_for_status()
            given = answer.json()
            self._grant = str(given["access_token"])
            lasts_s = float(given["expires_in"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"no grant: {type(error).__name__}") from error
        self._good_until_s = self._clock.monotonic_s() + lasts_s - GRANT_SPARE_S


class FcmCarrier:
    """Pushes to devices of Google's service."""

    def __init__(
        self,
        account: ServiceAccount,
        *,
        url: str,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url = f"{url}/v1/projects/{quote(account.project_id, safe='')}/messages:send"
        self._clock = clock
        self._http = httpx.AsyncClient(
            http2=True,
            verify=tls or ssl.create_default_context(),
            timeout=httpx.Timeout(SEND_S_MAX, connect=CONNECT_S_MAX),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX),
            trust_env=False,
        )
        self._grants = Grants(account, self._http, clock)

    async def send(self, letter: Letter) -> Fate:
        """One push. Its tag is the delivery's id: on the device, a repeat replaces it."""
        try:
            grant = await self._grants.current()
            answer = await self._http.post(
                self._url,
                json=self._message(letter),
                headers={"authorization": f"Bearer {grant}"},
            )
        except Unavailable:
            return Later("no_grant", is_everybodys=True)
        except httpx.HTTPError as error:
            return Later(type(error).__name__, is_everybodys=True)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._grants.distrust(grant)
        return _fate(answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _message(self, letter: Letter) -> dict[str, Any]:
        tag = str(letter.delivery_id)
        left_s = max(0, int((letter.expires_at - self._clock.now()).total_seconds()))
        return {
            "message": {
                "token": letter.to,
                "notification": {"title": letter.title, "body": letter.body},
                "data": dict(letter.data),
                "android": {
                    "ttl": f"{left_s}s",
                    "collapse_key": tag,
                    "notification": {"tag": tag},
                },
            }
        }


def _fate(answer: httpx.Response) -> Fate:
    if answer.status_code == httpx.codes.OK:
        return Sent()
    status, code, fields = _told(answer)
    after_s = retry_after_s(answer.headers.get("retry-after"))
    reason = code or status or str(answer.status_code)
    if reason in {"UNREGISTERED", "SENDER_ID_MISMATCH"}:
        return Gone(reason)
    if reason == "INVALID_ARGUMENT":
        return Gone("INVALID_TOKEN") if "message.token" in fields else Refused(reason)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        log.error("fcm_refuses_us", reason=reason)
        return Later(reason, is_everybodys=True)
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        return Later(reason, after_s, is_everybodys=True)
    return Refused(reason)


def _told(answer: httpx.Response) -> tuple[str, str, list[str]]:
    """Status, FCM's own error code and the fields at fault, as far as the answer tells them."""
    try:
        error = answer.json()["error"]
        details = [each for each in error.get("details", []) if isinstance(each, dict)]
        code = next((str(each["errorCode"]) for each in details if "errorCode" in each), "")
        fields = [
            str(violation["field"])
            for each in details
            for violation in each.get("fieldViolations", [])
        ]
        return str(error.get("status", ""))[:64], code[:64], fields
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", "", []
