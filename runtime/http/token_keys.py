"""The public keys of the auth edge, as it publishes them (JWK Set, RFC 7517).

Asked for when the first token comes, again every few minutes, and for a key id that is not known:
but then seldom, so that made-up ids cost the auth edge nothing. While it does not answer, the keys
that are known are believed for a while.
"""

import asyncio
import json
import re
from typing import Any, Final, NamedTuple

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt import InvalidKeyError, PyJWTError
from jwt.algorithms import ECAlgorithm

from domain.errors import Unavailable
from runtime.clock import Clock
from runtime.http.access_token import ALGORITHM, KID_PATTERN

FRESH_S: Final = 60.0
"""Keys are asked for again after so long: a revoked one is believed that much longer."""

STALE_S_MAX: Final = 3_600.0
"""Keys are believed for so long while the auth edge does not answer."""

REFETCH_S: Final = 10.0
"""Between two questions because of an id that is not known, or after one without an answer."""

FIRST_REFETCH_S: Final = 1.0
"""Likewise while no keys are known at all: the auth edge may just be starting."""

FETCH_S_MAX: Final = 2.0
"""One question takes no longer."""

ANSWER_BYTES_MAX: Final = 64 * 1024
"""A longer answer is none."""

KEYS_MAX: Final = 16
"""More keys than a rotation can leave behind."""

log = structlog.get_logger()

_KID = re.compile(KID_PATTERN)


class PublishedKey(NamedTuple):
    """A public key, and the JWK that it came as."""

    jwk: str
    key: EllipticCurvePublicKey


class PublishedKeys:
    """Keys by id, from a URL. `close` when done."""

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, PublishedKey] = {}
        self._read_s: float | None = None
        self._asked_s: float | None = None
        self._asking: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The key of that id, or None; Unavailable while no keys can be had."""
        age_s = self._age_s()
        if age_s > STALE_S_MAX:
            await self._ask()
            if self._age_s() > STALE_S_MAX:
                raise Unavailable("the keys of access tokens cannot be had")
        elif age_s > FRESH_S and self._may_ask():
            # Nobody waits: what is known is good enough meanwhile.
            self._begin()
        found = self._keys.get(kid)
        if found is None and self._may_ask():
            await self._ask()
            found = self._keys.get(kid)
        return None if found is None else found.key

    async def close(self) -> None:
        """Give up what is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def _age_s(self) -> float:
        return float("inf") if self._read_s is None else self._clock.monotonic_s() - self._read_s

    def _may_ask(self) -> bool:
        if self._asked_s is None:
            return True
        pause_s = FIRST_REFETCH_S if self._read_s is None else REFETCH_S
        return self._clock.monotonic_s() - self._asked_s >= pause_s

    async def _ask(self) -> None:
        """Join the question under way, or begin one if it is time."""
        if self._asking is None or self._asking.done():
            if not self._may_ask():
                return
            self._begin()
        assert self._asking is not None
        await asyncio.shield(self._asking)

    def _begin(self) -> None:
        if self._asking is None or self._asking.done():
            self._asked_s = self._clock.monotonic_s()
            self._asking = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S_MAX):
                document = await self._fetch()
            keys = keys_of(document, self._keys)
        except (TimeoutError, httpx.HTTPError, ValueError) as error:
            log.warning("token_keys_not_read", error=type(error).__name__)
            return
        self._keys = keys
        self._read_s = self._clock.monotonic_s()

    async def _fetch(self) -> bytes:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=FETCH_S_MAX, follow_redirects=False, trust_env=False
            )
        body = b""
        async with self._client.stream("GET", self._url) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError("the answer is no key set")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise ValueError("the answer is too long")
        return body


def keys_of(
    document: bytes, known: dict[str, PublishedKey] | None = None
) -> dict[str, PublishedKey]:
    """The keys in a JWK Set, the known ones as the same objects; ValueError if it is none.

    A key that is not for ES256 signatures is passed over.
    """
    value: Any = json.loads(document)
    listed = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise ValueError("the answer is no key set")
    found: dict[str, PublishedKey] = {}
    for jwk in listed:
        if not isinstance(jwk, dict) or jwk.get("alg") != ALGORITHM or jwk.get("kty") != "EC":
            continue
        kid, text = jwk.get("kid"), json.dumps(jwk, sort_keys=True)
        if not isinstance(kid, str) or not _KID.match(kid):
            continue
        before = (known or {}).get(kid)
        if before is not None and before.jwk == text:
            found[kid] = before
            continue
        try:
            key = ECAlgorithm(ECAlgorithm.SHA256).from_jwk(text)
        except (InvalidKeyError, PyJWTError):
            continue
        if isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1":
            found[kid] = PublishedKey(text, key)
    return found
