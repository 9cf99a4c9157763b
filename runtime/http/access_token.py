"""Access tokens: signed claims (JWT, RFC 9068) that an edge believes without asking anybody.

One algorithm, ES256, named here and never by the token. The header is exactly `alg`, `typ` and
`kid`: what would point elsewhere for a key (`jku`, `jwk`, `x5u`) or demand more (`crit`) is refused
with all else that is not known. Whatever is wrong, the answer is the same.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)

from domain.client import person_of
from runtime.clock import Clock
from runtime.http.body import parse_json
from runtime.http.problem import ProblemError

ALGORITHM: Final = "ES256"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - a media type
AUDIENCE: Final = "titan"
ACCESS_TOKEN_S_MAX: Final = 600
"""No token lives longer, whoever signed it."""

LEEWAY_S: Final = 30
"""Clocks of two machines may differ by this."""

TOKEN_CHARACTERS_MAX: Final = 4_096
"""A longer token is not looked at."""

ROLES_MAX: Final = 16

KID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}\Z"

_KID = re.compile(KID_PATTERN)
_BASE64 = re.compile(r"[A-Za-z0-9_-]+\Z")
# Exactly these two: whatever else a signer may write is nobody.
_CLIENT_ID = re.compile(
    r"(?:user:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|client:[a-z][a-z0-9-]{0,47})\Z"
)
_SCOPE = re.compile(r"(?:[a-z][a-z:._-]{0,63}(?: (?!\Z)|\Z)){0,64}\Z")
_CLAIMS: Final = frozenset(
    {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "scope", "roles"}
)
_COMPACT_PARTS: Final = 3

_JWS: Final = jwt.PyJWS(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a token says. `session_id` is a person's session, or the credential of a program."""

    client_id: str
    session_id: UUID
    token_id: UUID
    issued_at: datetime
    expires_at: datetime
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    @property
    def person_id(self) -> UUID | None:
        """The person who signed in; None for a program."""
        return person_of(self.client_id)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the id under which its public half is found."""

    kid: str
    private_key: EllipticCurvePrivateKey


class KeySource(Protocol):
    """Finds the public keys that tokens may be signed with."""

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The key of that id: the same object each time; None if there is none.

        Raises Unavailable while it cannot be told.
        """
        ...


class TokenVerifier:
    """Believes tokens of one issuer. Remembers none: see authentication.py."""

    def __init__(self, keys: KeySource, *, issuer: str, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock

    async def verify(self, token: str) -> AccessClaims:
        """The claims of a token that holds now.

        ProblemError 401 `invalid_token`, in the same words whatever is wrong; Unavailable while
        the keys cannot be had.
        """
        found = await self._keys.find(_kid_of(token))
        if found is None:
            raise invalid_token()
        try:
            payload: bytes = _JWS.decode(token, found, algorithms=[ALGORITHM])
        except jwt.InvalidTokenError:
            raise invalid_token() from None
        return claims_of(payload, issuer=self._issuer, now=self._clock.now())


def sign(claims: AccessClaims, *, issuer: str, key: SigningKey) -> str:
    """The token of these claims."""
    issued_s = int(claims.issued_at.timestamp())
    payload = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": claims.client_id,
        "sid": str(claims.session_id),
        "jti": str(claims.token_id),
        "iat": issued_s,
        "nbf": issued_s,
        "exp": int(claims.expires_at.timestamp()),
        "scope": " ".join(sorted(claims.scopes)),
        "roles": sorted(claims.roles),
    }
    return jwt.encode(
        payload,
        key.private_key,
        algorithm=ALGORITHM,
        headers={"typ": TOKEN_TYPE, "kid": key.kid},
    )


def claims_of(payload: bytes, *, issuer: str, now: datetime) -> AccessClaims:
    """The claims in a signed payload; ProblemError 401 if one is missing, odd or out of time."""
    claims = _object(payload)
    if claims.keys() != _CLAIMS or claims["iss"] != issuer or claims["aud"] != AUDIENCE:
        raise invalid_token()
    issued_at, not_before, expires_at = (_time(claims[name]) for name in ("iat", "nbf", "exp"))
    now_s, lifetime_s = now.timestamp(), (expires_at - issued_at).total_seconds()
    if (
        expires_at.timestamp() + LEEWAY_S <= now_s
        or max(issued_at, not_before).timestamp() - LEEWAY_S > now_s
        or not 0 < lifetime_s <= ACCESS_TOKEN_S_MAX
    ):
        raise invalid_token()
    client_id, scope, roles = (claims[name] for name in ("sub", "scope", "roles"))
    if not _is_text(client_id, _CLIENT_ID) or not _is_text(scope, _SCOPE) or not _are_roles(roles):
        raise invalid_token()
    return AccessClaims(
        client_id=client_id,
        session_id=_uuid(claims["sid"]),
        token_id=_uuid(claims["jti"]),
        issued_at=issued_at,
        expires_at=expires_at,
        scopes=frozenset(scope.split()),
        roles=frozenset(roles),
    )


def invalid_token() -> ProblemError:
    """The one answer to every token that does not hold."""
    return ProblemError(
        401,
        "invalid_token",
        "the access token does not hold; sign in, or refresh it",
        headers={"WWW-Authenticate": 'Bearer realm="titan", error="invalid_token"'},
    )


def _kid_of(token: str) -> str:
    """The key's id in a header that holds nothing else that matters."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise invalid_token()
    parts = token.split(".")
    if len(parts) != _COMPACT_PARTS or not all(map(_BASE64.match, parts)):
        raise invalid_token()
    try:
        header = _object(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except binascii.Error:
        raise invalid_token() from None
    if (
        header.keys() != {"alg", "typ", "kid"}
        or header["alg"] != ALGORITHM
        or header["typ"] != TOKEN_TYPE
        or not _is_text(header["kid"], _KID)
    ):
        raise invalid_token()
    kid: str = header["kid"]
    return kid


def _object(raw: bytes) -> Mapping[str, Any]:
    """A JSON object that two parsers cannot read apart: no key twice, no odd text."""
    try:
        value = parse_json(raw).value
    except ProblemError:
        raise invalid_token() from None
    if not isinstance(value, dict):
        raise invalid_token()
    return value


def _time(value: object) -> datetime:
    # A bool is an int to Python, and a float may be anything.
    if type(value) is not int:
        raise invalid_token()
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise invalid_token() from None


def _uuid(value: object) -> UUID:
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or str(found) != value:
        raise invalid_token()
    return found


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None


def _are_roles(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= ROLES_MAX
        and all(_is_text(role, _KID) for role in value)
    )
