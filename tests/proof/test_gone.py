"""Dead letters, and what retention has taken: what is gone must be missed, or must not be."""

from datetime import timedelta

import pytest

from proof.findings import Check
from tests.proof.world import World, faults, told

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

REQUESTED = "payment.requested.v1"


async def test_a_good_record_that_was_set_aside_is_told_until_it_is_put_back(world: World) -> None:
    payment = world.payment("set aside", "alice", "bob", 5)
    await world.put(payment)
    [record] = await world.records_of("handle-resolution")
    await world.commit("handle-resolution")
    await world.run("payment_projection")
    await world.bury(record, REQUESTED, "handle-resolution")

    lost = await world.prove()
    await world.put(payment)
    await world.run()
    put_back = await world.prove()

    assert told(faults(lost, Check.LETTERS), "is good and was set aside")
    assert faults(put_back) == []


async def test_a_letter_without_a_position_is_told(world: World) -> None:
    name = f"{REQUESTED}.handle-resolution.dlq"
    await world.forge(name, b"what was it?", key="anybody")

    proof = await world.prove()

    assert told(faults(proof, Check.LETTERS), "says no position")


async def test_a_chain_older_than_the_inbox_keeps_is_not_missed_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows went with their partition, which is dropped when it is old, and not before."""
    old = world.clock.now() - timedelta(days=30)
    payment = world.payment("old", "alice", "bob", 5).model_copy(update={"accepted_at": old})
    await world.put(payment)
    await world.run()
    await world.execute(f"DROP TABLE inbox_{old:%Y%m%d}")

    too_early = await world.prove()
    monkeypatch.setattr("proof.take.CHAIN_AGE_DAYS_MAX", 20)
    in_time = await world.prove()

    assert told(faults(too_early, Check.OFFSETS), "its inbox has no row of it")
    assert faults(in_time) == []


async def test_what_retention_has_deleted_is_not_missed_and_what_it_spares_is(
    world: World,
) -> None:
    """The broker deletes what is older than the topic's retention; younger records are lost."""
    await world.delete_log()

    lost = await world.prove(age_s=0)
    await world.set_retention(ms=1)
    expired = await world.prove(age_s=0)

    assert told(faults(lost, Check.TOLD), "after all this time")
    assert told(faults(lost, Check.MONEY), "moved money that no event tells of")
    assert told(faults(lost, Check.CAUSES), "which is not in the log")
    assert told(faults(lost, Check.PROJECTED), "and no event says so at that time")
    assert faults(expired) == []
    assert expired.findings.notes["postings older than the log"] == 13
