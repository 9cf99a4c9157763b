"""Our signatures by the standard's own library, and ours of what it signs."""

import base64
import json
from datetime import UTC, datetime

import pytest
import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import WebhookVerificationError

from domain.errors import Invalid
from runtime.standard_webhooks import (
    TOLERANCE_S,
    Scheme,
    Signer,
    Verifier,
    new_secret,
    signed_headers,
)

BODY = json.dumps({"type": "payment.posted", "data": {"näme": "ü"}}).encode()
ID = "0e1c4a52-3d0e-5f5c-9d0a-0b9f8f7b1a11"


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())


def headers_of(*secrets: str, body: bytes = BODY, at_s: int | None = None) -> dict[str, str]:
    signers = [Signer(secret) for secret in secrets]
    return dict(signed_headers(signers, ID, at_s or now_s(), body))


def test_the_standards_own_example_comes_out() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = Signer(secret).sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_standards_library_believes_us_and_no_changed_body() -> None:
    secret = new_secret(Scheme.V1)
    headers = headers_of(secret.kept)
    library = standardwebhooks.Webhook(secret.shown)
    assert library.verify(BODY.decode(), headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        library.verify(BODY.decode() + " ", headers)


def test_we_believe_the_standards_library() -> None:
    secret = new_secret(Scheme.V1)
    at = datetime.now(UTC)
    signature = standardwebhooks.Webhook(secret.shown).sign(ID, at, BODY.decode())
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }
    Verifier(secret.shown).verify(headers, BODY, now_s=now_s())


def test_a_public_key_checks_and_is_not_what_signs() -> None:
    secret = new_secret(Scheme.V1A)
    headers = headers_of(secret.kept)
    Verifier(secret.shown).verify(headers, BODY, now_s=now_s())
    scheme, _, text = headers["webhook-signature"].partition(",")
    assert scheme == "v1a"
    raw = base64.b64decode(secret.shown.removeprefix("whpk_"))
    signed = f"{ID}.{headers['webhook-timestamp']}.".encode() + BODY
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(text), signed)
    with pytest.raises(Invalid):
        Signer(secret.shown)


def test_while_two_secrets_hold_either_receiver_believes() -> None:
    old, new, other = (new_secret(Scheme.V1) for _ in range(3))
    headers = headers_of(new.kept, old.kept)
    for secret in (old, new):
        Verifier(secret.shown).verify(headers, BODY, now_s=now_s())
        standardwebhooks.Webhook(secret.shown).verify(BODY.decode(), headers)
    with pytest.raises(Invalid):
        Verifier(other.shown).verify(headers, BODY, now_s=now_s())


@pytest.mark.parametrize("off_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_an_old_or_early_message_is_not_believed(off_s: int) -> None:
    secret = new_secret(Scheme.V1)
    headers = headers_of(secret.kept, at_s=1_000_000_000 + off_s)
    with pytest.raises(Invalid):
        Verifier(secret.shown).verify(headers, BODY, now_s=1_000_000_000)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "another"},
        {"webhook-timestamp": "1x"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-signature": ""},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-signature": "v1"},
    ],
)
def test_a_changed_head_is_not_believed(change: dict[str, str]) -> None:
    secret = new_secret(Scheme.V1)
    with pytest.raises(Invalid):
        Verifier(secret.shown).verify(headers_of(secret.kept) | change, BODY, now_s=now_s())


def test_a_missing_header_is_said() -> None:
    secret = new_secret(Scheme.V1)
    headers = headers_of(secret.kept)
    for name in headers:
        less = {each: value for each, value in headers.items() if each != name}
        with pytest.raises(Invalid, match="missing"):
            Verifier(secret.shown).verify(less, BODY, now_s=now_s())


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_AAAA", "whsec_%%", "whpk_AAAA", "secret"])
def test_what_is_no_secret(text: str) -> None:
    with pytest.raises(Invalid):
        Verifier(text)
