"""Providers as they send: each signs as its own documents say, by code of the tests' own."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks.webhooks import Webhook

SECRETS = {
    "standard": "whsec_" + base64.b64encode(b"s" * 32).decode(),
    "stripe": "whsec_stripe_0123456789abcdef",
    "trice": "trice-0123456789abcdef",
    "blnk": "blnk-0123456789abcdef",
    "plaid": "client-id:0123456789abcdef",
}

Headers = dict[str, str]


def hex_of(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def standard(body: bytes, now_s: int, *, secret: str = "", message_id: str = "msg_1") -> Headers:
    """By the reference library."""
    time = datetime.fromtimestamp(now_s, UTC)
    signature = Webhook(secret or SECRETS["standard"]).sign(message_id, time, body.decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": signature,
    }


def stripe(body: bytes, now_s: int, *, secret: str = "") -> Headers:
    signature = hex_of(secret or SECRETS["stripe"], f"{now_s}.".encode() + body)
    return {"Stripe-Signature": f"t={now_s},v1={signature},v0={'0' * 64}"}


def trice(body: bytes, now_s: int, *, secret: str = "") -> Headers:
    signature = hex_of(secret or SECRETS["trice"], f"{now_s}.".encode() + body)
    return {"X-Trice-Timestamp": str(now_s), "X-Trice-Signature": signature}


def blnk(body: bytes, now_s: int, *, secret: str = "") -> Headers:
    signature = hex_of(secret or SECRETS["blnk"], f"{now_s}.".encode() + body)
    return {"X-Blnk-Timestamp": str(now_s), "X-Blnk-Signature": signature}


class PlaidSigner:
    """Plaid's side: a key and its id."""

    def __init__(self, kid: str | None = None) -> None:
        self.kid = kid or str(uuid4())
        self.key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self, *, expired_at: int | None = None) -> dict[str, Any]:
        """As `/webhook_verification_key/get` gives it."""
        jwk: dict[str, Any] = json.loads(
            jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).to_jwk(
                self.key.public_key()
            )
        )
        return jwk | {
            "alg": "ES256",
            "kid": self.kid,
            "use": "sig",
            "created_at": 1_560_466_143,
            "expired_at": expired_at,
        }

    def __call__(self, body: bytes, now_s: int, **changes: Any) -> Headers:
        """The header; `changes` are to claims, a None takes one away."""
        claims = {"iat": now_s, "request_body_sha256": hashlib.sha256(body).hexdigest()} | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": self.kid})
        return {"Plaid-Verification": token}


SENDERS = {"standard": standard, "stripe": stripe, "trice": trice, "blnk": blnk}
