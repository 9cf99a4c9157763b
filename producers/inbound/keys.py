"""Public keys of a provider that signs by key ids (Plaid): asked for once, and kept.

Anybody can make up a key id, and each would cost a question to the provider: so there are few
questions for ids that are not known, and then, until some time has passed, none. A provider that
has just changed its key during such a flood is told to come again; nothing of it is lost.
"""

import asyncio
import hashlib
import hmac
import json
import re
from collections import OrderedDict, deque
from typing import Any, Final, NamedTuple

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt.algorithms import ECAlgorithm

from domain.errors import Invalid, Unavailable
from producers.inbound.proof import Received, not_signed
from producers.inbound.providers import JwtByKeyId
from runtime.clock import Clock
from runtime.standard_webhooks import TOLERANCE_S

QUESTIONS_MAX: Final = 5
"""Questions about unknown ids within QUESTIONS_S."""

QUESTIONS_S: Final = 300.0
"""So long after a question another one may be asked in its place."""

KEY_KEPT_S: Final = 24 * 3_600.0
"""A known key is asked for anew after so long: it may have expired."""

QUESTION_S_MAX: Final = 5.0
"""One question takes no longer."""

KEYS_MAX: Final = 256
"""Ids that are remembered, of keys and of none."""

ANSWER_BYTES_MAX: Final = 16 * 1024
"""A longer answer is none."""

TOKEN_CHARACTERS_MAX: Final = 4_096
"""A longer token is none."""

AHEAD_S_MAX: Final = 30
"""A token may be signed so far in the future: clocks differ."""

_ALGORITHM: Final = "ES256"
_KID = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")

log = structlog.get_logger()


class _Known(NamedTuple):
    """What an id names: a key, or nothing."""

    key: EllipticCurvePublicKey | None
    expires_at_s: int | None
    asked_s: float


class KeysById:
    """A provider's keys. `close` when done."""

    def __init__(self, url: str, credentials: str, *, clock: Clock) -> None:
        self._url = url
        self._client_id, _, self._secret = credentials.partition(":")
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asked: deque[float] = deque()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._client = httpx.AsyncClient(
            timeout=QUESTION_S_MAX,
            follow_redirects=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity"},
        )

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The key of that id, None if it names none or an expired one; Unavailable."""
        known = self._known.get(kid)
        if known is None or self._is_old(known):
            if kid not in self._asking:
                self._begin(kid, is_known=known is not None and known.key is not None)
            await asyncio.shield(self._asking[kid])
            known = self._known.get(kid)
        if known is None:
            raise Unavailable("a key of a provider cannot be had")
        is_over = known.expires_at_s is not None and known.expires_at_s <= _seconds(self._clock)
        return None if is_over else known.key

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _is_old(self, known: _Known) -> bool:
        age_s = self._clock.monotonic_s() - known.asked_s
        return age_s > (QUESTIONS_S if known.key is None else KEY_KEPT_S)

    def _begin(self, kid: str, *, is_known: bool) -> None:
        now_s = self._clock.monotonic_s()
        while self._asked and now_s - self._asked[0] > QUESTIONS_S:
            self._asked.popleft()
        if not is_known:
            if len(self._asked) >= QUESTIONS_MAX:
                raise Unavailable("too many key ids that nobody knows")
            self._asked.append(now_s)
        self._asking[kid] = task = asyncio.create_task(self._ask(kid))
        task.add_done_callback(lambda _: self._asking.pop(kid, None))

    async def _ask(self, kid: str) -> None:
        try:
            async with asyncio.timeout(QUESTION_S_MAX):
                found = await self._answer(kid)
        except (TimeoutError, httpx.HTTPError, ValueError) as error:
            log.warning("inbound_key_not_read", error=type(error).__name__)
            if (before := self._known.get(kid)) is not None:
                # It is believed a little longer; who comes meanwhile does not wait for an answer.
                asked_s = self._clock.monotonic_s() - KEY_KEPT_S + QUESTIONS_S
                self._known[kid] = before._replace(asked_s=asked_s)
            return
        self._known[kid] = found
        self._known.move_to_end(kid)
        while len(self._known) > KEYS_MAX:
            nameless = next(
                (each for each, known in self._known.items() if known.key is None), None
            )
            self._known.pop(nameless) if nameless else self._known.popitem(last=False)

    async def _answer(self, kid: str) -> _Known:
        question = {"client_id": self._client_id, "secret": self._secret, "key_id": kid}
        body = b""
        async with self._client.stream("POST", self._url, json=question) as response:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise ValueError("the answer is too long")
        now_s = self._clock.monotonic_s()
        if response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND):
            return _Known(None, None, now_s)
        if response.status_code != httpx.codes.OK:
            raise ValueError("the answer is no key")
        return _known_of(json.loads(body), kid, now_s)


class JwtCheck:
    """A token of the provider's that holds the digest of the body, and is young."""

    def __init__(self, rule: JwtByKeyId, keys: KeysById) -> None:
        self._rule = rule
        self._keys = keys

    async def __call__(self, message: Received, *, now_s: int) -> str:
        """See Check. What is wrong without its key is wrong before the key is asked for."""
        token = message.header(self._rule.header)
        kid = _demand_claims(token, message.body, now_s)
        key = await self._keys.find(kid)
        if key is None:
            raise not_signed()
        try:
            jwt.decode(token, key, algorithms=[_ALGORITHM], options={"verify_iat": False})
        except jwt.PyJWTError:
            raise not_signed() from None
        # The signed part only: of an ECDSA signature anybody can make another that holds as well.
        return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def _demand_claims(token: str, body: bytes, now_s: int) -> str:
    """The token's key id; Invalid unless all but the signature is right."""
    if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
        raise not_signed()
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise not_signed() from None
    kid, issued_at_s = header.get("kid"), claims.get("iat")
    digest = claims.get("request_body_sha256")
    is_told = (
        header.get("alg") == _ALGORITHM
        and "crit" not in header
        and isinstance(kid, str)
        and _KID.match(kid) is not None
        and type(issued_at_s) is int
        and -AHEAD_S_MAX <= now_s - issued_at_s <= TOLERANCE_S
        and isinstance(digest, str)
    )
    if not is_told or not _is_digest_of(body, digest):
        raise not_signed()
    return str(kid)


def _is_digest_of(body: bytes, digest: Any) -> bool:  # noqa: ANN401 - a claim is anything
    right = hashlib.sha256(body).hexdigest().encode()
    return hmac.compare_digest(right, str(digest).encode("utf-8", "replace"))


def _known_of(document: Any, kid: str, now_s: float) -> _Known:  # noqa: ANN401 - JSON is anything
    """The key in an answer; ValueError if it is none of ours to believe."""
    jwk = document.get("key") if isinstance(document, dict) else None
    if not isinstance(jwk, dict) or jwk.get("kid") != kid or jwk.get("alg") != _ALGORITHM:
        raise ValueError("the answer is no key")
    expires_at_s = jwk.get("expired_at")
    if expires_at_s is not None and type(expires_at_s) is not int:
        raise ValueError("the answer is no key")
    try:
        key = ECAlgorithm(ECAlgorithm.SHA256).from_jwk(json.dumps(jwk))
    except (jwt.PyJWTError, Invalid) as error:
        raise ValueError("the answer is no key") from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ValueError("the answer is no key")
    return _Known(key, expires_at_s, now_s)


def _seconds(clock: Clock) -> int:
    return int(clock.now().timestamp())
