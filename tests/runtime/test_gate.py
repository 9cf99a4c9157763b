"""The gate: partitions change hands between batches, and not for ever after."""

import asyncio

import pytest

from runtime import limits
from runtime.gate import Gate


async def test_a_rebalance_waits_for_the_batch_in_progress_and_rounds_it_off() -> None:
    gate = Gate()
    story: list[str] = []

    async def round_off() -> None:
        story.append("offsets")

    gate.before_release(round_off)
    assert gate.enter()
    revoked = asyncio.create_task(gate.on_partitions_revoked(set()))
    revoked.add_done_callback(lambda _: story.append("released"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert story == []
    assert not gate.enter()

    gate.leave()
    await revoked

    await asyncio.sleep(0)
    assert story == ["offsets", "released"]


async def test_nothing_begins_until_partitions_are_assigned() -> None:
    gate = Gate()
    await gate.on_partitions_revoked(set())
    assert gate.closing
    assert not gate.enter()

    await gate.on_partitions_assigned(set())

    assert gate.enter()


async def test_a_batch_that_does_not_end_is_released_in_its_middle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "REVOKE_WAIT_S", 0.01)
    gate = Gate()
    assert gate.enter()
    generation = gate.generation

    await gate.on_partitions_revoked(set())

    assert gate.generation > generation
