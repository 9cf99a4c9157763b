"""The keys that access tokens are signed with: made, published before they sign, and retired.

A key's id is its thumbprint (RFC 7638), so it is derived and never drawn. The private half is
stored sealed. Which key signs, and which ones are published, is decided from their times alone.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.algorithms import ECAlgorithm

from domain.errors import Defect, Unavailable
from producers.auth import limits
from runtime.clock import Clock
from runtime.database import Connection, Database
from runtime.http.access_token import ALGORITHM, SigningKey
from runtime.vault import Vault

_COLUMNS: Final = "kid, private_sealed, public_jwk, created_at, signs_from, revoked_at"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('auth signing keys', 0))"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One row of `auth_signing_keys`."""

    kid: str
    private_sealed: str
    public_jwk: str
    created_at: datetime
    signs_from: datetime
    revoked_at: datetime | None


def signing_row(rows: Sequence[KeyRow], now: datetime) -> KeyRow | None:
    """The key that signs now: the newest one whose time has come."""
    ready = [row for row in rows if row.revoked_at is None and row.signs_from <= now]
    return max(ready, key=lambda row: (row.signs_from, row.kid), default=None)


def published_rows(rows: Sequence[KeyRow], now: datetime) -> list[KeyRow]:
    """The keys that tokens may be signed with: now, soon, or a token's life ago."""
    signing = signing_row(rows, now)
    kept_until = timedelta(seconds=limits.KEY_KEPT_S)
    published: list[KeyRow] = []
    for row in rows:
        later = [
            other.signs_from
            for other in rows
            if other.revoked_at is None and other.signs_from > row.signs_from
        ]
        is_over = row is not signing and bool(later) and min(later) + kept_until < now
        if row.revoked_at is None and not is_over:
            published.append(row)
    return published


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key on P-256, which ES256 signs with."""
    return ec.generate_private_key(ec.SECP256R1())


def kid_of(key: ec.EllipticCurvePublicKey) -> str:
    """The key's thumbprint."""
    jwk = ECAlgorithm.to_jwk(key, as_dict=True)
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def jwk_of(key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """The key as a JWK Set has it."""
    jwk = ECAlgorithm.to_jwk(key, as_dict=True)
    return jwk | {"kid": kid_of(key), "alg": ALGORITHM, "use": "sig"}


async def read_rows(connection: Connection) -> list[KeyRow]:
    """Every key, the oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM auth_signing_keys ORDER BY signs_from, kid"  # noqa: S608 - a constant
    )
    return [KeyRow(**row) for row in rows]


async def rotate(
    connection: Connection, vault: Vault, now: datetime, *, revoke_others: bool = False
) -> KeyRow:
    """Make the next key, in the caller's transaction; it signs once every edge can know it.

    `revoke_others` is for keys that leaked: what they signed is believed no more, and the new one
    signs at once.
    """
    await connection.execute(_LOCK)
    rows = await read_rows(connection)
    if revoke_others:
        await connection.execute(
            "UPDATE auth_signing_keys SET revoked_at = $1 WHERE revoked_at IS NULL", now
        )
    is_first = revoke_others or signing_row(rows, now) is None
    pause = timedelta(seconds=0 if is_first else limits.KEY_PUBLISHED_S)
    return await _add(connection, vault, now, signs_from=now + pause)


async def ensure(connection: Connection, vault: Vault, now: datetime) -> None:
    """Make the first key if there is none, in the caller's transaction."""
    await connection.execute(_LOCK)
    if signing_row(await read_rows(connection), now) is None:
        await _add(connection, vault, now, signs_from=now)


async def _add(
    connection: Connection, vault: Vault, now: datetime, *, signs_from: datetime
) -> KeyRow:
    key = new_key()
    kid = kid_of(key.public_key())
    raw = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    row = KeyRow(
        kid=kid,
        private_sealed=vault.seal(base64.b64encode(raw).decode(), _purpose(kid)),
        public_jwk=json.dumps(jwk_of(key.public_key())),
        created_at=now,
        signs_from=signs_from,
        revoked_at=None,
    )
    await connection.execute(
        f"INSERT INTO auth_signing_keys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)",  # noqa: S608
        *(getattr(row, name) for name in _COLUMNS.split(", ")),
    )
    return row


class KeyRing:
    """The keys, as one process of the edge knows them; a `KeySource` for its own verifier."""

    def __init__(self, database: Database, vault: Vault, *, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._rows: list[KeyRow] = []
        self._read_s: float | None = None
        self._opened: dict[str, SigningKey] = {}
        self._public: dict[str, ec.EllipticCurvePublicKey] = {}
        self._reading = asyncio.Lock()

    async def signing_key(self) -> SigningKey:
        """The key that signs now; Unavailable while it cannot be told."""
        await self._refresh()
        row = signing_row(self._rows, self._clock.now())
        if row is None:
            raise Unavailable("there is no key to sign with")
        known = self._opened.get(row.kid)
        if known is None:
            raw = base64.b64decode(self._vault.open(row.private_sealed, _purpose(row.kid)))
            key = load_der_private_key(raw, None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise Defect(f"the signing key {row.kid} is none")
            known = self._opened[row.kid] = SigningKey(row.kid, key)
        return known

    async def published(self) -> list[dict[str, Any]]:
        """The JWKs to publish; Unavailable while they cannot be told."""
        await self._refresh()
        now = self._clock.now()
        return [json.loads(row.public_jwk) for row in published_rows(self._rows, now)]

    async def find(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        """See `KeySource.find`."""
        await self._refresh()
        now = self._clock.now()
        row = next((row for row in published_rows(self._rows, now) if row.kid == kid), None)
        if row is None:
            return None
        if kid not in self._public:
            key = ECAlgorithm(ECAlgorithm.SHA256).from_jwk(row.public_jwk)
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise Defect(f"the signing key {kid} is none")
            self._public[kid] = key
        return self._public[kid]

    async def _refresh(self) -> None:
        """Read the keys if they are old; while the database is away, old ones serve for a while."""
        if self._age_s() <= limits.KEYS_FRESH_S:
            return
        async with self._reading:
            if self._age_s() <= limits.KEYS_FRESH_S:
                return
            try:
                async with self._database.connection() as connection:
                    rows = await read_rows(connection)
                    if signing_row(rows, self._clock.now()) is None:
                        async with connection.transaction():
                            await ensure(connection, self._vault, self._clock.now())
                        rows = await read_rows(connection)
            except Unavailable:
                if self._age_s() > limits.KEYS_STALE_S_MAX:
                    raise
                return
            self._rows = rows
            self._read_s = self._clock.monotonic_s()

    def _age_s(self) -> float:
        return float("inf") if self._read_s is None else self._clock.monotonic_s() - self._read_s


def _purpose(kid: str) -> str:
    return f"auth.signing-key:{kid}"
