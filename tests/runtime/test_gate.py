"""The gate between batches and rebalances, when what holds it breaks."""

import asyncio

import pytest

from runtime import gate as gate_module
from runtime.crash_points import Point
from runtime.gate import Gate
from tests.support.waiting import eventually


async def test_a_rebalance_waits_for_the_batch_and_lets_nothing_new_begin() -> None:
    gate = Gate()
    assert gate.enter()
    revoking = asyncio.create_task(gate.on_partitions_revoked(set()))
    await eventually(lambda: gate.closing)
    assert not revoking.done()
    assert not gate.enter()

    gate.leave()
    await revoking

    assert not gate.enter(), "the partitions are with somebody else"
    await gate.on_partitions_assigned(set())
    assert gate.enter()


async def test_a_library_that_ends_in_a_rebalance_leaves_the_reader_to_hear_of_it() -> None:
    gate = Gate()
    gate.enter()
    revoking = asyncio.create_task(gate.on_partitions_revoked(set()))
    await eventually(lambda: gate.closing)

    revoking.cancel()
    await asyncio.wait([revoking])

    assert revoking.cancelled()
    assert not gate.closing


async def test_an_assignment_opens_the_gate_whatever_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate()
    await gate.on_partitions_revoked(set())

    def broken(_room: str, point: Point) -> None:
        if point is Point.ASSIGN_BEFORE:
            raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(gate_module, "crash_point", broken)
    with pytest.raises(RuntimeError):
        await gate.on_partitions_assigned(set())

    assert gate.enter()
