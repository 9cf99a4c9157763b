"""What is not a provider's is refused, in the same words whatever is wrong, and has no effect."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from runtime.clock import SystemClock
from tests.producers.inbound.place import Door, Place
from tests.producers.inbound.senders import SENDERS, Headers, PlaidSigner

pytestmark = pytest.mark.real

CORPUS: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "hostile.yaml").read_text("utf-8")
)
CASES = [(provider, case) for provider, cases in CORPUS.items() for case in cases]
BODY = b'{"id":"evt_1"}'
PARTS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "tail": lambda value: value[1:],
    "tail2": lambda value: value[2:],
    "head": lambda value: value[:-1],
    "next": lambda value: str(int(value) + 1),
    "first": lambda value: value.partition(",")[0],
    "after-comma": lambda value: value.partition(",")[2],
    "as-v0": lambda value: ",".join(value.split(",")[:2]).replace("v1=", "v0="),
    "without-signature": lambda value: value.rpartition(".")[0] + ".",
}


def now_s() -> int:
    return int(SystemClock().now().timestamp())


def token_of(signer: PlaidSigner, case: dict[str, Any], body: bytes = BODY) -> Headers:
    """A token, as odd as the case says."""
    claims: dict[str, Any] = {
        "iat": now_s(),
        "request_body_sha256": hashlib.sha256(body).hexdigest(),
    }
    for name, value in case.get("claims", {}).items():
        is_offset = name in ("iat", "exp") and type(value) in (int, float)
        claims[name] = now_s() + value if is_offset else value
    header: dict[str, Any] = {"typ": "JWT", "alg": "ES256", "kid": signer.kid}
    header |= case.get("jose", {})
    key = signer if "secret" not in case else PlaidSigner(signer.kid)
    if header.get("jwk") == "own":
        header["jwk"] = key.jwk()
    signed = ".".join(
        base64.urlsafe_b64encode(
            json.dumps({name: value for name, value in part.items() if value is not None}).encode()
        )
        .rstrip(b"=")
        .decode()
        for part in (header, claims)
    )
    if header["alg"] == "none":
        signature = b""
    elif header["alg"] == "HS256":
        public = json.dumps(signer.jwk()).encode()
        signature = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    else:
        algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
        signature = algorithm.sign(signed.encode(), key.key)
    text = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return {"Plaid-Verification": f"{signed}.{text}"}


def altered(honest: Headers, case: dict[str, Any]) -> list[tuple[str, str]]:
    """The headers after the case's changes."""

    def part(match: re.Match[str]) -> str:
        name, _, how = match[1].partition("|")
        return PARTS[how](honest[name]) if how else honest[name]

    headers = dict(honest)
    for name, value in case.get("headers", {}).items():
        headers.pop(name, None)
        if value is not None:
            headers[name] = re.sub(r"\{([^}]+)\}", part, value)
    pairs = list(headers.items())
    if "twice" in case:
        pairs.append((case["twice"], headers[case["twice"]]))
    return pairs


@pytest.mark.parametrize(
    ("provider", "case"), CASES, ids=lambda part: part if isinstance(part, str) else part["name"]
)
async def test_what_does_not_hold_is_refused_and_has_no_effect(
    place: Place, door: Door, provider: str, case: dict[str, Any]
) -> None:
    if provider == "plaid":
        honest = token_of(door.plaid, case)
    else:
        given = {"secret": case["secret"]} if "secret" in case else {}
        honest = SENDERS[provider](BODY, now_s() + case.get("at", 0), **given)
    body = case["body"].encode() if "body" in case else BODY

    answer = await door.send(provider, body, altered(honest, case))

    assert (answer.status, answer.code) == (401, "invalid_signature")
    assert answer.document["detail"] == "the signature does not hold"
    async with place.database() as database, database.connection() as connection:
        found = await connection.fetchval(
            "SELECT count(*) FROM inbound_receipts WHERE provider = $1 AND body_sha256 = $2",
            provider,
            hashlib.sha256(body).hexdigest(),
        )
    assert found == 0


async def test_the_honest_message_that_every_case_begins_with_is_taken(door: Door) -> None:
    marked = b'{"id":"an honest one"}'
    for provider, sign in SENDERS.items():
        answer = await door.send(provider, marked, sign(marked, now_s()))
        assert answer.status == 200, provider
    for token in (door.plaid(marked, now_s()), token_of(door.plaid, {}, marked)):
        assert (await door.send("plaid", marked, altered(token, {}))).status == 200
