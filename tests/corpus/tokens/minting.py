"""Tokens as tokens.yaml asks for them, signed with the very key of the edge that is attacked."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)
from jwt.algorithms import ECAlgorithm
from pydantic import BaseModel, ConfigDict

from runtime.settings import Settings
from runtime.vault import load_vault
from tests.support.whole_titan import WholeTitan

_PURPOSE: Final = "auth.signing-key:{kid}"
_SIGNATURE_BYTES: Final = 64
_NUMBER_BYTES: Final = 32


class TokenCase(BaseModel):
    """One line of tokens.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    header: dict[str, Any] = {}
    lacks_header: list[str] = []
    claims: dict[str, Any] = {}
    in_s: dict[str, int] = {}
    lacks: list[str] = []
    payload: str | None = None
    signed: str = "ours"
    text: str | None = None


@dataclass(frozen=True)
class Mint:
    """The signing key of a Titan, taken from where it lies sealed."""

    kid: str
    key: ec.EllipticCurvePrivateKey
    another: ec.EllipticCurvePrivateKey

    def holding(self) -> str:
        """A token that holds, of a person nobody knows anything of."""
        return self.token(TokenCase(name="it holds"))

    def staff(self, *roles: str) -> str:
        """A token that holds, of somebody with these roles."""
        return self.token(TokenCase(name="staff", claims={"roles": list(roles)}))

    def token(self, case: TokenCase) -> str:
        """The token of a case."""
        if case.text is not None:
            return self._text(case.text)
        header = {"alg": "ES256", "typ": "at+jwt", "kid": self.kid} | case.header
        if header.get("jwk") == "another":
            header["jwk"] = ECAlgorithm.to_jwk(self.another.public_key(), as_dict=True)
        header = {name: value for name, value in header.items() if name not in case.lacks_header}
        payload = json.dumps(_claims(case)) if case.payload is None else case.payload
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(payload.encode())}"
        return f"{signed}.{_encoded(self._signature(case.signed, signed.encode()))}"

    def _text(self, text: str) -> str:
        head, payload, signature = self.holding().split(".")
        words = {
            "token": f"{head}.{payload}.{signature}",
            "head": head,
            "payload": payload,
            "otherpayload": self.holding().split(".")[1],
            "signature": signature,
            "signature_changed": ("B" if signature[0] == "A" else "A") + signature[1:],
        }
        return re.sub(r"@(\w+)@", lambda found: words[found[1]], text)

    def _signature(self, by: str, signed: bytes) -> bytes:
        public = self.key.public_key()
        secrets = {
            "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "jwk": ECAlgorithm.to_jwk(public).encode(),
            "empty": b"",
        }
        match by:
            case "ours":
                return _es256(self.key, signed)
            case "another":
                return _es256(self.another, signed)
            case "as DER":
                return self.key.sign(signed, ec.ECDSA(SHA256()))
            case "nothing":
                return b""
            case "zeros":
                return bytes(_SIGNATURE_BYTES)
            case _:
                return hmac.digest(secrets[by], signed, hashlib.sha256)


async def mint_of(titan: WholeTitan) -> Mint:
    """The mint of a Titan whose directory can be read."""
    # The key is made when it is first asked for.
    async with httpx.AsyncClient() as http:
        (await http.get(f"{titan.url('auth')}/.well-known/jwks.json")).raise_for_status()
    connection = await asyncpg.connect(titan.endpoints["postgres_dsn"])
    row = await connection.fetchrow("SELECT kid, private_sealed FROM auth_signing_keys")
    await connection.close()
    assert row is not None
    vault = load_vault(Settings(data_directory=titan.directory))
    opened = vault.open(row["private_sealed"], _PURPOSE.format(kid=row["kid"]))
    key = load_der_private_key(base64.b64decode(opened), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Mint(row["kid"], key, ec.generate_private_key(ec.SECP256R1()))


def _claims(case: TokenCase) -> Mapping[str, Any]:
    now_s = int(time.time())
    claims = {
        "iss": "urn:titan:auth",
        "aud": "titan",
        "sub": f"user:{uuid4()}",
        "sid": str(uuid4()),
        "jti": str(uuid4()),
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + 590,
        "scope": "",
        "roles": [],
    }
    claims |= case.claims | {name: now_s + seconds for name, seconds in case.in_s.items()}
    return {name: value for name, value in claims.items() if name not in case.lacks}


def _es256(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    numbers = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
    return b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
