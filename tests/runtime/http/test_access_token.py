"""An access token holds only as it was signed, where it was meant, and while it lasts."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runtime.clock import SystemClock
from runtime.http.access_token import (
    LEEWAY_S,
    AccessClaims,
    SigningKey,
    TokenVerifier,
    sign,
)
from runtime.http.problem import ProblemError

ISSUER = "urn:titan:auth"
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
KEY = SigningKey("k1", ec.generate_private_key(ec.SECP256R1()))
OTHER = SigningKey("k2", ec.generate_private_key(ec.SECP256R1()))
CLAIMS = AccessClaims(
    client_id=f"user:{uuid4()}",
    session_id=uuid4(),
    token_id=uuid4(),
    issued_at=NOW,
    expires_at=NOW + timedelta(seconds=600),
    scopes=frozenset({"payments:read", "payments:write"}),
    roles=frozenset({"support"}),
)


class HandClock(SystemClock):
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class OneKey:
    def __init__(self) -> None:
        self.keys = {KEY.kid: KEY.private_key.public_key()}

    async def find(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        return self.keys.get(kid)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def keys() -> OneKey:
    return OneKey()


@pytest.fixture
def verifier(clock: HandClock, keys: OneKey) -> TokenVerifier:
    return TokenVerifier(keys, issuer=ISSUER, clock=clock)


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def payload(**changes: Any) -> dict[str, Any]:
    token = sign(CLAIMS, issuer=ISSUER, key=KEY)
    decoded: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return {name: value for name, value in (decoded | changes).items() if value is not ...}


def forged(*, key: Any = KEY.private_key, header: Any = None, **changes: Any) -> str:
    headers = {"typ": "at+jwt", "kid": "k1"} | (header or {})
    headers = {name: value for name, value in headers.items() if value is not ...}
    return jwt.encode(payload(**changes), key, algorithm="ES256", headers=headers)


def raw_token(header: bytes, body: bytes) -> str:
    signed = f"{base64url(header)}.{base64url(body)}"
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(
        signed.encode(), KEY.private_key
    )
    return f"{signed}.{base64url(signature)}"


HEADER = b'{"alg":"ES256","typ":"at+jwt","kid":"k1"}'


def hmac_with_the_public_key() -> str:
    """Signed by hand: the library itself would not."""
    public = KEY.private_key.public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = b'{"alg":"HS256","typ":"at+jwt","kid":"k1"}'
    signed = f"{base64url(header)}.{base64url(json.dumps(payload()).encode())}"
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), 'sha256'))}"


def unsigned(algorithm: str) -> str:
    header = json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": "k1"}).encode()
    return f"{base64url(header)}.{base64url(json.dumps(payload()).encode())}."


def without_signature() -> str:
    return sign(CLAIMS, issuer=ISSUER, key=KEY).rpartition(".")[0] + ".AAAA"


def with_a_claim_twice() -> str:
    body = json.dumps(payload())[:-1] + ', "sub": "user:someone"}'
    return raw_token(HEADER, body.encode())


NOW_S = int(NOW.timestamp())
HOSTILE: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no token": lambda: "a.b",
    "spaces": lambda: " . . ",
    "100 KiB": lambda: "a" * 102_400,
    "long and signed": lambda: forged(sub="user:" + "x" * 4_096),
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "alg nOnE": lambda: unsigned("nOnE"),
    "HS256 with the public key": hmac_with_the_public_key,
    "signature cut": without_signature,
    "another's key": lambda: forged(key=OTHER.private_key),
    "kid unknown": lambda: forged(header={"kid": "k2"}),
    "kid a path": lambda: forged(header={"kid": "../../dev/null"}),
    "kid SQL": lambda: forged(header={"kid": "k1' OR '1'='1"}),
    "kid missing": lambda: forged(header={"kid": ...}),
    "kid with a line end": lambda: forged(header={"kid": "k1\n"}),
    "jwk in the header": lambda: forged(header={"jwk": {"kty": "EC"}}),
    "jku in the header": lambda: forged(header={"jku": "https://evil.example/keys"}),
    "x5u in the header": lambda: forged(header={"x5u": "https://evil.example/keys"}),
    "crit in the header": lambda: forged(header={"crit": ["exp"]}),
    "typ JWT": lambda: forged(header={"typ": "JWT"}),
    "typ rt": lambda: forged(header={"typ": "rt+jwt"}),
    "header no object": lambda: raw_token(b'["ES256"]', json.dumps(payload()).encode()),
    "header twice": lambda: raw_token(
        HEADER[:-1] + b',"alg":"none"}', json.dumps(payload()).encode()
    ),
    "claim twice": with_a_claim_twice,
    "payload no object": lambda: raw_token(HEADER, b"[1]"),
    "payload no JSON": lambda: raw_token(HEADER, b"\xff\xfe"),
    "iss with a slash": lambda: forged(iss=ISSUER + "/"),
    "iss other": lambda: forged(iss="https://evil.example"),
    "aud other": lambda: forged(aud="bank"),
    "aud a list": lambda: forged(aud=["titan"]),
    "sub missing": lambda: forged(sub=...),
    "sub SQL": lambda: forged(sub="user:' --"),
    "sid missing": lambda: forged(sid=...),
    "sid no id": lambda: forged(sid="all"),
    "jti missing": lambda: forged(jti=...),
    "jti in capitals": lambda: forged(jti=str(CLAIMS.token_id).upper() + "A"),
    "exp missing": lambda: forged(exp=...),
    "exp text": lambda: raw_token(HEADER, json.dumps(payload(exp=str(NOW_S + 9))).encode()),
    "exp a fraction": lambda: forged(exp=NOW_S + 0.5),
    "exp beyond time": lambda: forged(exp=10**18),
    "exp true": lambda: raw_token(HEADER, json.dumps(payload(exp=True)).encode()),
    "expired by 31 s": lambda: forged(exp=NOW_S - 31, iat=NOW_S - 300, nbf=NOW_S - 300),
    "lives too long": lambda: forged(exp=NOW_S + 601),
    "exp before iat": lambda: forged(exp=NOW_S - 20, iat=NOW_S, nbf=NOW_S),
    "nbf ahead": lambda: forged(nbf=NOW_S + 31),
    "nbf missing": lambda: forged(nbf=...),
    "iat ahead": lambda: forged(iat=NOW_S + 31, exp=NOW_S + 300),
    "iat missing": lambda: forged(iat=...),
    "scope a list": lambda: forged(scope=["payments:write"]),
    "scope with two spaces": lambda: forged(scope="a  b"),
    "roles a text": lambda: forged(roles="admin"),
    "roles of numbers": lambda: forged(roles=[1]),
    "roles too many": lambda: forged(roles=["a"] * 17),
    "sub neither a person nor a program": lambda: forged(sub="demo"),
    "sub with an id in capitals": lambda: forged(sub=f"user:{CLAIMS.token_id}".upper()),
    "a claim more": lambda: forged(admin=True),
}


async def test_what_was_signed_comes_back(verifier: TokenVerifier) -> None:
    token = sign(CLAIMS, issuer=ISSUER, key=KEY)

    assert await verifier.verify(token) == CLAIMS
    assert await verifier.verify(token) == CLAIMS


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_token_that_does_not_hold_gets_the_one_answer(
    token: Callable[[], str], verifier: TokenVerifier
) -> None:
    given = token()
    for _ in range(2):
        with pytest.raises(ProblemError) as refused:
            await verifier.verify(given)
        assert (refused.value.status, refused.value.code) == (401, "invalid_token")
        assert refused.value.detail == "the access token does not hold; sign in, or refresh it"


async def test_a_verified_token_ends_with_its_time(
    verifier: TokenVerifier, clock: HandClock
) -> None:
    token = sign(CLAIMS, issuer=ISSUER, key=KEY)
    clock.time = CLAIMS.expires_at + timedelta(seconds=LEEWAY_S - 1)
    assert await verifier.verify(token) == CLAIMS

    clock.time += timedelta(seconds=1)

    with pytest.raises(ProblemError):
        await verifier.verify(token)


async def test_a_verified_token_ends_with_its_key(verifier: TokenVerifier, keys: OneKey) -> None:
    token = sign(CLAIMS, issuer=ISSUER, key=KEY)
    assert await verifier.verify(token) == CLAIMS

    keys.keys = {KEY.kid: OTHER.private_key.public_key()}

    with pytest.raises(ProblemError):
        await verifier.verify(token)
