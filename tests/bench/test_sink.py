"""The bench's receiver of webhooks: it answers, notes each once, and lets the slow one wait."""

import asyncio
from uuid import uuid4

import pytest

from bench import sink as sinks
from bench.sink import SLOW, open_sink
from runtime.clock import SystemClock
from runtime.outgoing import Outgoing


async def test_each_is_noted_once_and_a_repeat_is_counted() -> None:
    clock = SystemClock()
    outgoing = Outgoing(clock=clock, loopback=True)
    async with open_sink(clock) as sink:
        ids = [str(uuid4()) for _ in range(3)]
        for each in [*ids, ids[0]]:
            reply = await outgoing.post(sink.url("/a"), [("webhook-id", each)], b'{"a":"b"}')
            assert reply.status == 204
        assert list(sink.came_s) == ids
        assert sink.repeats == 1
        outgoing.close()
        await asyncio.sleep(0)


async def test_what_is_sent_to_the_slow_one_is_answered_late_and_not_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sinks, "SLOW_S", 0.3)
    clock = SystemClock()
    outgoing = Outgoing(clock=clock, loopback=True)
    async with open_sink(clock) as sink:
        began_s = clock.monotonic_s()
        await outgoing.post(sink.url(SLOW), [("webhook-id", "x")], b"{}")
        assert clock.monotonic_s() - began_s >= 0.3
        assert not sink.came_s
        outgoing.close()
        await asyncio.sleep(0)
