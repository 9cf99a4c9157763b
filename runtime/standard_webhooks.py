"""Standard Webhooks 1.0: how a message to an endpoint is signed, and how its receiver checks it.

`webhook-id`, `webhook-timestamp` and the body as it travels are signed together; the header
`webhook-signature` lists a signature of each secret that holds, with its scheme before it:

* v1   HMAC-SHA-256 under a secret that both sides have (`whsec_...`)
* v1a  ed25519: we sign with `whsk_...`, the receiver checks with `whpk_...` and can sign nothing
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Invalid

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

TOLERANCE_S: Final = 300
"""A receiver takes a message whose timestamp is off by at most this much."""

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what begins a secret
_PRIVATE_PREFIX: Final = "whsk_"
_PUBLIC_PREFIX: Final = "whpk_"
_KEY_BYTES: Final = 32
_SECRET_BYTES_MIN: Final = 24
_SECRET_BYTES_MAX: Final = 64


class Scheme(StrEnum):
    """How an endpoint's messages are signed."""

    V1 = "v1"
    V1A = "v1a"


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A new secret: what we keep, sealed, and what its endpoint's owner is shown once."""

    scheme: Scheme
    kept: str
    shown: str


def new_secret(scheme: Scheme) -> WebhookSecret:
    """A secret that nobody had before."""
    if scheme is Scheme.V1A:
        key = Ed25519PrivateKey.generate()
        kept = _PRIVATE_PREFIX + _text(key.private_bytes_raw())
        return WebhookSecret(
            scheme, kept, _PUBLIC_PREFIX + _text(key.public_key().public_bytes_raw())
        )
    secret = _SECRET_PREFIX + _text(AESGCM.generate_key(bit_length=_KEY_BYTES * 8))
    return WebhookSecret(scheme, secret, secret)


class Signer:
    """Signs messages under one kept secret. Invalid `webhook_secret` if it is none."""

    def __init__(self, kept: str) -> None:
        self._key: Ed25519PrivateKey | bytes
        if kept.startswith(_PRIVATE_PREFIX):
            seed = _bytes(kept, _PRIVATE_PREFIX)[:_KEY_BYTES]
            if len(seed) != _KEY_BYTES:
                raise _no_secret()
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
        else:
            self._key = _shared(kept)

    @property
    def scheme(self) -> Scheme:
        """How it signs."""
        return Scheme.V1 if isinstance(self._key, bytes) else Scheme.V1A

    def sign(self, message_id: str, timestamp_s: int, body: bytes) -> str:
        """One entry of the signature's header."""
        signed = _signed(message_id, str(timestamp_s), body)
        if isinstance(self._key, bytes):
            return f"{Scheme.V1},{_text(hmac.digest(self._key, signed, hashlib.sha256))}"
        return f"{Scheme.V1A},{_text(self._key.sign(signed))}"


def signed_headers(
    signers: Sequence[Signer], message_id: str, timestamp_s: int, body: bytes
) -> list[tuple[str, str]]:
    """The headers of a message, signed by each."""
    signatures = " ".join(signer.sign(message_id, timestamp_s, body) for signer in signers)
    return [
        (ID_HEADER, message_id),
        (TIMESTAMP_HEADER, str(timestamp_s)),
        (SIGNATURE_HEADER, signatures),
    ]


class Verifier:
    """Checks messages as their receiver: under a `whsec_` secret or a `whpk_` public key."""

    def __init__(self, secret: str) -> None:
        self._key: Ed25519PublicKey | bytes
        if secret.startswith(_PUBLIC_PREFIX):
            raw = _bytes(secret, _PUBLIC_PREFIX)
            if len(raw) != _KEY_BYTES:
                raise _no_secret()
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        else:
            self._key = _shared(secret)

    def verify(self, headers: Mapping[str, str], body: bytes, *, now_s: int) -> None:
        """Invalid `webhook_signature` unless one of the signatures is ours and the time is near.

        `headers` by lower-case name.
        """
        try:
            message_id, timestamp = headers[ID_HEADER], headers[TIMESTAMP_HEADER]
            entries = headers[SIGNATURE_HEADER].split(" ")
        except KeyError:
            raise _not_signed("a header of the three is missing") from None
        is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12  # noqa: PLR2004
        if not is_number or abs(int(timestamp) - now_s) > TOLERANCE_S:
            raise _not_signed("the time is too far off")
        signed = _signed(message_id, timestamp, body)
        if not any(self._is_ours(entry, signed) for entry in entries):
            raise _not_signed("no signature is right")

    def _is_ours(self, entry: str, signed: bytes) -> bool:
        scheme, _, text = entry.partition(",")
        try:
            signature = base64.b64decode(text, validate=True)
        except ValueError:
            return False
        if isinstance(self._key, bytes):
            right = hmac.digest(self._key, signed, hashlib.sha256)
            return scheme == Scheme.V1 and hmac.compare_digest(right, signature)
        if scheme != Scheme.V1A:
            return False
        try:
            self._key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True


def _signed(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _shared(secret: str) -> bytes:
    key = _bytes(secret, _SECRET_PREFIX)
    if not _SECRET_BYTES_MIN <= len(key) <= _SECRET_BYTES_MAX:
        raise _no_secret()
    return key


def _bytes(secret: str, prefix: str) -> bytes:
    if not secret.startswith(prefix):
        raise _no_secret()
    try:
        return base64.b64decode(secret.removeprefix(prefix), validate=True)
    except ValueError:
        raise _no_secret() from None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _no_secret() -> Invalid:
    return Invalid("webhook_secret", "not a secret of Standard Webhooks")


def _not_signed(why: str) -> Invalid:
    return Invalid("webhook_signature", why)
