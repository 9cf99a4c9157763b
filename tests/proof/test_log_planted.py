"""Each fault that a log or a group's offsets can have, planted once: the check for it tells.

Records are forged, outcomes not published, offsets committed for work not done; each test has a
world of its own, in which everything else is as it should be.
"""

from uuid import UUID, uuid5

import pytest

from proof.findings import Check
from tests.proof.log_side import ROOT
from tests.proof.world import World, account_of, all_faults, faults, told

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

REQUESTED, RESOLVED = "payment.requested.v1", "payment.resolved.v1"
SCREENED, POSTED = "payment.screened.v1", "payment.posted.v1"
REFUSED = "payment.refused.v1"
CLAIMED = "handle.claimed.v1"
FIRST_LUNCH_MINOR = 100
LEDGER = "titan/consumers/ledger_posting"
RISK = "titan/consumers/risk_screening"
DIRECTORY = "titan/consumers/handle_directory"


def money(world: World, payment_id: UUID, amount_minor: int = 7) -> dict[str, object]:
    return {
        "payment_id": payment_id,
        "accepted_at": world.clock.now().isoformat(),
        "payer_account_id": account_of("alice"),
        "payee_account_id": account_of("bob"),
        "amount_minor": amount_minor,
        "currency": "USD",
    }


async def test_a_payment_that_nobody_goes_on_with_is_told_once_it_is_old(world: World) -> None:
    await world.put(world.payment("stuck", "alice", "bob", 5))

    young = await world.prove()
    old = await world.prove(age_s=0)

    assert faults(young) == []
    assert young.findings.notes["payments under way"] == 1
    assert told(faults(old, Check.ENDS), "has not ended")
    [fault] = all_faults(old)
    assert fault.subject == world.payment("stuck", "alice", "bob", 5).payment_id
    assert old.story is not None
    [event] = old.story.events
    assert (event["topic"], event["ce_source"]) == (REQUESTED, "titan/producers/tests")


async def test_offsets_committed_before_the_work_are_told(world: World) -> None:
    await world.put(world.payment("skipped", "alice", "bob", 5))
    await world.records_of("handle-resolution")
    await world.records_of("payment-projection")
    await world.commit("handle-resolution")
    await world.commit("payment-projection")

    proof = await world.prove()

    assert told(faults(proof, Check.OFFSETS), "handle_resolution has committed past event")
    assert told(faults(proof, Check.PROJECTED), "has no row, and its events are committed past")


async def test_offsets_beyond_the_end_are_told(world: World) -> None:
    await world.commit("risk-screening", {(RESOLVED, 2): 1_000})

    proof = await world.prove()

    assert told(faults(proof, Check.OFFSETS), "risk-screening has committed 1000", RESOLVED)


async def test_garbage_that_was_passed_over_is_told(world: World) -> None:
    offset = await world.forge(SCREENED, b"garbage", key="anybody", partition=2)
    for group in ("ledger-posting", "payment-projection"):
        await world.records_of(group)
        await world.commit(group)

    proof = await world.prove()

    where = f"{SCREENED}/2/{offset} is no event; "
    assert told(faults(proof, Check.OFFSETS), where, "ledger-posting")
    assert told(faults(proof, Check.OFFSETS), where, "payment-projection")


async def test_garbage_that_nobody_has_come_to_yet_is_no_fault(world: World) -> None:
    await world.forge(SCREENED, b"garbage", key="anybody", partition=2)
    await world.forge(CLAIMED, b"garbage", key="anybody", partition=2)

    proof = await world.prove(age_s=0)

    assert faults(proof) == []
    assert proof.findings.notes["records that are no events"] >= 2


async def test_an_outcome_that_was_never_published_is_told(world: World) -> None:
    """The process died between commit and publish, and its offsets were committed all the same."""
    await world.put(world.payment("lost", "alice", "bob", 5))
    await world.run("handle_resolution", publishes=False)

    proof = await world.prove()

    assert told(faults(proof, Check.TOLD), "has committed past the event", RESOLVED)


async def test_an_outcome_on_its_way_explains_what_the_ledger_shows(world: World) -> None:
    """Killed after the commit: money has moved, and no event tells of it until it comes back."""
    await world.put(world.payment("on its way", "alice", "bob", 5))
    await world.run("handle_resolution", "risk_screening")
    await world.run("ledger_posting", publishes=False, commits=False)

    young = await world.prove()
    old = await world.prove(age_s=0)

    assert faults(young) == []
    assert young.findings.notes["outcomes on their way"] == 1
    assert told(faults(old, Check.TOLD), "after all this time", POSTED)


async def test_an_account_on_its_way_is_explained_too(world: World) -> None:
    await world.put(world.opening("dave"))
    await world.run("account_opening", publishes=False, commits=False)

    assert faults(await world.prove()) == []


async def test_work_done_and_not_committed_is_no_fault(world: World) -> None:
    await world.put(world.payment("repeated", "alice", "bob", 5))
    await world.run(commits=False)

    assert faults(await world.prove()) == []


async def test_events_that_no_stage_decided_are_told(world: World) -> None:
    """Forged: a second end, a step entered twice, other money, an unknown source."""
    nobody = world.payment("to nobody", "alice", "nobody.there", 100).payment_id
    lunch = world.payment("lunch 3", "alice", "bob", 103).payment_id
    cause = uuid5(ROOT, "nothing")
    await world.forge(
        POSTED,
        money(world, nobody, 100) | {"posting_id": uuid5(ROOT, "forged posting")},
        key=str(account_of("alice")),
        ce_source=LEDGER,
        causation_id=cause,
    )
    await world.forge(
        SCREENED,
        money(world, lunch, 9_999) | {"payment_type": "WALLET"},
        key=str(account_of("alice")),
        ce_source=RISK,
        causation_id=cause,
    )
    await world.forge(
        REFUSED,
        {"payment_id": uuid5(ROOT, "no payment"), "code": "velocity"}
        | {"accepted_at": world.clock.now().isoformat()},
        key=str(uuid5(ROOT, "no payment")),
        ce_source="titan/consumers/somebody_else",
        causation_id=cause,
    )
    for group in ("payment-projection", "ledger-posting"):
        await world.records_of(group)
        await world.commit(group)

    proof = await world.prove()

    assert told(faults(proof, Check.ENDS), "has ended 2 times: posted and refused")
    assert told(faults(proof, Check.ONE_WAY), "was screened more than once")
    assert told(faults(proof, Check.ONE_WAY), "was screened with 9999 USD, which nobody asked for")
    assert told(faults(proof, Check.CAUSES), f"{POSTED}: the cause {cause}")
    assert told(faults(proof, Check.DECIDED), f"{SCREENED}: event", "names risk_screening")
    assert told(faults(proof, Check.DECIDED), f"{REFUSED}: event", "names nobody")
    assert told(faults(proof, Check.MONEY), "was posted, and posting", "does not move -100 USD")


async def test_an_event_of_a_stage_without_a_cause_is_told(world: World) -> None:
    await world.forge(
        CLAIMED,
        {
            "request_id": uuid5(ROOT, "forged"),
            "requested_at": world.clock.now().isoformat(),
            "handle": "mallory",
            "fingerprint": "0" * 64,
            "client_id": "demo",
            "account_id": account_of("bob"),
            "currency": "USD",
            "display_name_sealed": "c2VhbGVk",
            "version": 1,
        },
        key="mallory",
        ce_source=DIRECTORY,
    )

    proof = await world.prove()

    assert told(faults(proof, Check.CAUSES), "names no cause")
    assert told(faults(proof, Check.DIRECTORY), "is told by an event and stands in no table")
    assert told(faults(proof, Check.DIRECTORY), "version 1 in the log and not in its table")


async def test_a_decision_published_under_a_fresh_id_is_told(world: World) -> None:
    """A retry that draws its event's id anew: the same outcome, twice in the log."""
    [first] = [
        record
        for record in await world.all_of(SCREENED)
        if f'"amount_minor":{FIRST_LUNCH_MINOR},' in record.value.decode()
    ]
    headers = {name: text.decode() for name, text in first.headers}
    again = str(uuid5(ROOT, "fresh id"))
    await world.forge(
        SCREENED,
        first.value,
        key=first.key.decode(),
        partition=first.partition,
        **{**headers, "ce_id": again, "idempotency_id": again},
    )
    await world.run("payment_projection", "ledger_posting")

    proof = await world.prove()

    assert told(faults(proof, Check.ONE_WAY), "was screened more than once")
    assert told(faults(proof, Check.ONE_WAY), "was published under two ids")


async def test_an_event_id_of_two_payments_is_told(world: World) -> None:
    one, other = (world.payment(name, "alice", "bob", 5) for name in ("one", "other"))
    shared = uuid5(ROOT, "shared")
    for payment in (one, other):
        await world.forge(
            REQUESTED,
            payment.model_dump_json(exclude_none=True).encode(),
            key="alice",
            ce_id=shared,
            idempotency_id=payment.payment_id,
        )
    await world.run("handle_resolution")

    proof = await world.prove()

    assert told(faults(proof, Check.ONE_WAY), "is of two payments or requests")


async def test_a_resolution_to_an_account_that_the_handle_never_named_is_told(
    world: World,
) -> None:
    """Money of the right amount, to the wrong person: only the directory's log can tell."""
    await world.execute(
        f"UPDATE directory_handles SET account_id = '{account_of('carol')}' WHERE handle = 'bob'"
    )
    await world.put(world.payment("astray", "alice", "bob", 5))
    await world.run()

    proof = await world.prove()

    assert told(faults(proof, Check.DIRECTORY), "was resolved to an account that its handle never")
