from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from consumers.handle_directory.decide import AccountFacts
from consumers.handle_directory.handler import on_handles_requested
from consumers.handle_directory.store import MemoryDirectory
from runtime.stage import Stage
from schemas.handle import HandleClaimed, HandleClaimRefused
from tests.support.directory_events import claim_requested
from tests.support.events import ALICE, BOB
from tests.support.memory_stage import MemoryStage


def directory_stage() -> tuple[MemoryStage, MemoryDirectory]:
    directory = MemoryDirectory()
    for account_id in (ALICE, BOB):
        directory.open(account_id, AccountFacts("demo", "USD"))
    handler = partial(on_handles_requested, directory=directory)
    return MemoryStage(Stage("handle_directory", handler)), directory


@given(deliveries=st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.booleans()), max_size=8))
async def test_racing_claims_have_one_winner_however_they_are_delivered(
    deliveries: list[tuple[object, bool]],
) -> None:
    memory, directory = directory_stage()

    for account_id, crash in [*deliveries, (ALICE, False), (BOB, False)]:
        claim = claim_requested(account_id, account_id=account_id)
        await memory.deliver(claim, crash_before_commit=crash)

    outcomes = memory.distinct_published()
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        HandleClaimRefused.__name__,
        HandleClaimed.__name__,
    ]
    [winner] = [outcome for outcome in outcomes if isinstance(outcome, HandleClaimed)]
    entry = directory.entry("alice")
    assert entry is not None
    assert entry.target is not None
    assert entry.target.account_id == winner.account_id
