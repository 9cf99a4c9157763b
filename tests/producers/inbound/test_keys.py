"""A provider's keys are asked for once each, and made-up ids cost it next to nothing."""

import asyncio
from uuid import uuid4

import pytest

from producers.inbound.keys import KEY_KEPT_S, QUESTIONS_MAX, QUESTIONS_S, KeysById
from runtime.clock import SystemClock
from tests.producers.inbound.place import Door, KeyServer
from tests.producers.inbound.senders import PlaidSigner

pytestmark = pytest.mark.real

CREDENTIALS = "client-id:0123456789abcdef"


class MovedClock(SystemClock):
    """The machine's clock, moved on by hand."""

    moved_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.moved_s


def now_s() -> int:
    return int(SystemClock().now().timestamp())


async def test_a_thousand_unknown_ids_make_at_most_five_questions_and_hurt_nobody_known(
    door: Door,
) -> None:
    body = b'{"x":1}'
    assert (await door.send("plaid", body, door.plaid(body, now_s()))).status == 200
    assert door.keys.asked == [door.plaid.kid]
    stranger = PlaidSigner()

    async def flood() -> int:
        stranger.kid = str(uuid4())
        return (await door.send("plaid", body, stranger(body, now_s()))).status

    statuses = [
        status for _ in range(20) for status in await asyncio.gather(*(flood() for _ in range(50)))
    ]

    assert len(statuses) == 1_000
    assert set(statuses) <= {401, 503}
    assert len(door.keys.asked) - 1 <= QUESTIONS_MAX
    honest = b'{"x":2}'
    assert (await door.send("plaid", honest, door.plaid(honest, now_s()))).status == 200
    assert len(door.keys.asked) - 1 <= QUESTIONS_MAX


async def test_what_is_wrong_without_its_key_asks_for_none(door: Door) -> None:
    stranger = PlaidSigner()

    assert (await door.send("plaid", b"{}", stranger(b"another body", now_s()))).status == 401
    assert (await door.send("plaid", b"{}", stranger(b"{}", now_s() - 301))).status == 401

    assert door.keys.asked == []


async def test_an_expired_key_is_believed_no_more(door: Door) -> None:
    old, soon = PlaidSigner(), PlaidSigner()
    door.keys.add(old, expired_at=now_s() - 1)
    door.keys.add(soon, expired_at=now_s() + 3_600)

    assert (await door.send("plaid", b"{}", old(b"{}", now_s()))).status == 401
    assert (await door.send("plaid", b"{}", soon(b"{}", now_s()))).status == 200


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, None),
        (302, None),
        (200, b"no JSON"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"key":{"kid":"another","alg":"ES256"}}'),
        (200, b" " * 20_000),
    ],
)
async def test_while_keys_cannot_be_had_the_provider_is_told_to_come_again(
    door: Door, status: int, answer: bytes | None
) -> None:
    door.keys.status, door.keys.answer = status, answer

    refused = await door.send("plaid", b"{}", door.plaid(b"{}", now_s()))

    assert (refused.status, refused.code) == (503, "unavailable")
    door.keys.status = door.keys.answer = None
    assert (await door.send("plaid", b"{}", door.plaid(b"{}", now_s()))).status == 200


async def test_a_key_is_asked_for_anew_after_a_day_and_believed_while_nobody_answers() -> None:
    clock = MovedClock()
    signer = PlaidSigner()
    async with KeyServer().running() as server:
        server.add(signer)
        keys = KeysById(server.url, CREDENTIALS, clock=clock)
        try:
            found = await asyncio.gather(*(keys.find(signer.kid) for _ in range(20)))
            assert None not in found
            assert len(server.asked) == 1
            clock.moved_s += KEY_KEPT_S + 1
            server.status = 500
            assert await keys.find(signer.kid) is not None
            assert await keys.find(signer.kid) is not None
            assert len(server.asked) == 2
            clock.moved_s += QUESTIONS_S + 1
            server.status = None
            server.add(signer, expired_at=now_s() - 1)
            assert await keys.find(signer.kid) is None
        finally:
            await keys.close()


async def test_an_id_that_named_nothing_may_name_a_key_later() -> None:
    clock = MovedClock()
    signer = PlaidSigner()
    async with KeyServer().running() as server:
        keys = KeysById(server.url, CREDENTIALS, clock=clock)
        try:
            assert await keys.find(signer.kid) is None
            server.add(signer)
            assert await keys.find(signer.kid) is None
            clock.moved_s += QUESTIONS_S + 1
            assert await keys.find(signer.kid) is not None
        finally:
            await keys.close()
