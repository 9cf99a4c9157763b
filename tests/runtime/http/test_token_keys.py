"""The published keys are asked for seldom, believed for a while, and never anything else."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from domain.errors import Unavailable
from runtime.clock import SystemClock
from runtime.http.token_keys import (
    ANSWER_BYTES_MAX,
    FIRST_REFETCH_S,
    FRESH_S,
    KEYS_MAX,
    REFETCH_S,
    STALE_S_MAX,
    PublishedKeys,
    keys_of,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.real


class HandClock(SystemClock):
    def __init__(self) -> None:
        self.time_s = 1_000.0

    def monotonic_s(self) -> float:
        return self.time_s


class Published:
    """A server of key sets, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = "200 OK"
        self.document = b'{"keys": []}'

    def publish(self, *keys: dict[str, Any]) -> None:
        self.document = json.dumps({"keys": keys}).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.document)}\r\n"
        writer.write(head.encode() + b"Location: /elsewhere\r\nConnection: close\r\n\r\n")
        writer.write(self.document)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def published_keys() -> AsyncIterator[tuple[PublishedKeys, Published, HandClock]]:
    published, clock = Published(), HandClock()
    server = await asyncio.start_server(published.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    keys = PublishedKeys(f"http://127.0.0.1:{port}/.well-known/jwks.json", clock=clock)
    try:
        yield keys, published, clock
    finally:
        await keys.close()
        server.close()
        await server.wait_closed()


def public_jwk(kid: str, curve: ec.EllipticCurve | None = None) -> dict[str, Any]:
    key = ec.generate_private_key(curve or ec.SECP256R1()).public_key()
    return ECAlgorithm.to_jwk(key, as_dict=True) | {"kid": kid, "alg": "ES256", "use": "sig"}


async def test_keys_are_asked_for_once_and_stay_the_same_objects() -> None:
    async with published_keys() as (keys, published, clock):
        published.publish(public_jwk("k1"))
        found = await asyncio.gather(*(keys.find("k1") for _ in range(50)))
        assert found[0] is not None
        assert all(key is found[0] for key in found)
        assert published.asked == 1

        clock.time_s += FRESH_S + 1
        assert await keys.find("k1") is found[0]
        await eventually(lambda: published.asked == 2)
        assert await keys.find("k1") is found[0]


async def test_a_thousand_made_up_ids_cost_few_questions() -> None:
    async with published_keys() as (keys, published, clock):
        published.publish(public_jwk("k1"))
        for number in range(1_000):
            clock.time_s += 0.03
            assert await keys.find(f"made-up-{number}") is None
        assert published.asked <= 5


async def test_a_key_of_a_rotation_is_found_and_a_revoked_one_is_gone() -> None:
    async with published_keys() as (keys, published, clock):
        published.publish(public_jwk("k1"))
        assert await keys.find("k1")
        published.publish(public_jwk("k2"))
        clock.time_s += REFETCH_S
        assert await keys.find("k2")
        assert await keys.find("k1") is None


async def test_an_edge_that_does_not_answer_is_believed_for_a_while() -> None:
    async with published_keys() as (keys, published, clock):
        published.publish(public_jwk("k1"))
        assert await keys.find("k1")
        published.status = "503 Service Unavailable"

        clock.time_s += STALE_S_MAX - 1
        assert await keys.find("k1")
        clock.time_s += REFETCH_S
        with pytest.raises(Unavailable):
            await keys.find("k1")


@pytest.mark.parametrize("status", ["302 Found", "500 Internal Server Error"])
async def test_an_answer_that_is_no_key_set_is_unavailable_and_soon_asked_again(
    status: str,
) -> None:
    async with published_keys() as (keys, published, clock):
        published.status = status
        for _ in range(20):
            with pytest.raises(Unavailable):
                await keys.find("k1")
        assert published.asked == 1

        published.status = "200 OK"
        published.publish(public_jwk("k1"))
        clock.time_s += FIRST_REFETCH_S
        assert await keys.find("k1")


async def test_an_answer_without_end_is_cut() -> None:
    async with published_keys() as (keys, published, _):
        published.document = b" " * (ANSWER_BYTES_MAX + 1) + b'{"keys": []}'
        with pytest.raises(Unavailable):
            await keys.find("k1")


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", '{"keys": {}}', '{"keys": "k"}', json.dumps({"keys": [{}] * (KEYS_MAX + 1)})],
)
def test_what_is_no_key_set_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"key set|Expecting"):
        keys_of(document.encode())


def test_keys_for_anything_else_are_passed_over() -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    others = [
        "k",
        RSAAlgorithm.to_jwk(rsa_key, as_dict=True) | {"kid": "rsa", "alg": "RS256"},
        RSAAlgorithm.to_jwk(rsa_key, as_dict=True) | {"kid": "rsa", "alg": "ES256"},
        {"kty": "oct", "kid": "oct", "alg": "HS256", "k": "AAAA"},
        public_jwk("p384", ec.SECP384R1()),
        public_jwk("../../dev/null"),
        public_jwk("k2") | {"x": "AAAA"},
        public_jwk("k3") | {"kid": 3},
    ]
    good = public_jwk("k1")

    found = keys_of(json.dumps({"keys": [*others, good]}).encode())

    assert list(found) == ["k1"]
