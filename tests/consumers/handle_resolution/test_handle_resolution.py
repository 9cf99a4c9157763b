from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid5

import pytest

from consumers.handle_resolution.decide import Acceptance, Grant, decide
from consumers.handle_resolution.handler import on_payment_conflicted, on_payments_requested
from consumers.handle_resolution.store import (
    MemoryAcceptances,
    MemoryDirectory,
    MemoryGrants,
)
from domain.directory import HandleEntry, HandleTarget
from domain.payment import RefusalCode
from runtime.stage import Stage
from schemas.event import Event
from schemas.payment import PaymentConflicted, PaymentRefused, PaymentResolved
from tests.support.events import ALICE, BOB, payment_id, requested
from tests.support.memory_stage import NOW, ROOT, MemoryStage


def entry(
    handle: str, account: object, currency: str = "USD", version: int = 1, owner: str = "demo"
) -> HandleEntry:
    target = None if account is None else HandleTarget(account, currency, "c2VhbGVk")  # type: ignore[arg-type]
    return HandleEntry(handle, version, owner, target, NOW)


DIRECTORY = {"alice": entry("alice", ALICE, version=3), "bob": entry("bob", BOB, version=7)}


@pytest.mark.parametrize(
    ("changes", "directory", "code"),
    [
        ({"from_handle": "mallory"}, DIRECTORY, RefusalCode.UNKNOWN_PAYER),
        ({"to_handle": "mallory"}, DIRECTORY, RefusalCode.UNKNOWN_PAYEE),
        ({}, DIRECTORY | {"bob": entry("bob", None)}, RefusalCode.UNKNOWN_PAYEE),
        ({}, DIRECTORY | {"alice": entry("alice", None)}, RefusalCode.UNKNOWN_PAYER),
        ({}, DIRECTORY | {"bob": entry("bob", ALICE)}, RefusalCode.SAME_ACCOUNT),
        ({"currency": "EUR"}, DIRECTORY, RefusalCode.CURRENCY_MISMATCH),
        # What is wrong with the payer's own side is told before anything of the payee's.
        ({"currency": "EUR", "to_handle": "mallory"}, DIRECTORY, RefusalCode.CURRENCY_MISMATCH),
        ({"currency": "EUR", "to_handle": "alice"}, DIRECTORY, RefusalCode.CURRENCY_MISMATCH),
        ({"currency": "EUR", "from_handle": "mallory"}, DIRECTORY, RefusalCode.UNKNOWN_PAYER),
        ({}, DIRECTORY | {"bob": entry("bob", BOB, "EUR")}, RefusalCode.CURRENCY_MISMATCH),
    ],
)
def test_refuses_what_does_not_resolve(
    changes: dict[str, str], directory: dict[str, HandleEntry], code: RefusalCode
) -> None:
    outcome = decide(requested(**changes), directory)

    assert isinstance(outcome, PaymentRefused)
    assert outcome.code is code
    assert outcome.key == requested(**changes).from_handle


ANN, EVE = (f"user:{uuid5(ROOT, name)}" for name in ("ann", "eve"))
SHOP = "client:shop"


@pytest.mark.parametrize(
    ("holder", "asks", "answers", "may_pay"),
    [
        # A person pays from a handle of their own, and it is still theirs when it is resolved.
        (ANN, ANN, ANN, True),
        (EVE, ANN, ANN, False),
        (EVE, ANN, EVE, False),
        ("demo", ANN, ANN, False),
        # A program pays from its own handle, or from one whose owner lets it.
        (SHOP, SHOP, SHOP, True),
        (ANN, SHOP, ANN, True),
        (EVE, SHOP, EVE, False),
        (EVE, SHOP, ANN, False),
        ("client:other", SHOP, "client:other", False),
        # Where nobody answers for the payer nothing is taken from a person or a program.
        ("demo", "demo", None, True),
        ("another demo client", "demo", None, True),
        (ANN, "demo", None, False),
        (SHOP, "demo", None, False),
        (ANN, ANN, None, False),
    ],
)
async def test_nobody_pays_from_a_handle_that_is_not_theirs_to_pay_from(
    holder: str,
    asks: str,
    answers: str | None,
    may_pay: bool,  # noqa: FBT001
) -> None:
    grants = MemoryGrants()
    grants.put(Grant(SHOP, "alice", ANN))
    grants.put(Grant(SHOP, "another", EVE))
    memory, directory = stage(grants=grants)
    directory.put(entry("alice", ALICE, owner=holder))

    await memory.deliver(requested(client_id=asks, payer_client_id=answers))

    [outcome] = memory.distinct_published()
    if may_pay:
        assert isinstance(outcome, PaymentResolved)
    else:
        assert isinstance(outcome, PaymentRefused)
        assert outcome.code is RefusalCode.UNKNOWN_PAYER


def test_pins_the_directory_versions_it_resolved_with() -> None:
    outcome = decide(requested(), DIRECTORY)

    assert isinstance(outcome, PaymentResolved)
    assert (outcome.from_handle_version, outcome.to_handle_version) == (3, 7)
    assert (outcome.payer_account_id, outcome.payee_account_id) == (ALICE, BOB)
    assert outcome.key == str(ALICE)


def stage(
    acceptances: MemoryAcceptances | None = None, grants: MemoryGrants | None = None
) -> tuple[MemoryStage, MemoryDirectory]:
    directory = MemoryDirectory()
    acceptances = acceptances or MemoryAcceptances()
    for known in DIRECTORY.values():
        directory.put(known)
    return MemoryStage(
        Stage(
            "handle_resolution",
            partial(
                on_payments_requested,
                directory=directory,
                acceptances=acceptances,
                grants=grants or MemoryGrants(),
            ),
            on_conflict=on_payment_conflicted,
        )
    ), directory


async def test_a_redelivery_repeats_the_first_outcome_though_the_directory_changed() -> None:
    memory, directory = stage()

    await memory.deliver(requested())
    directory.put(entry("bob", None))
    await memory.deliver(requested())

    first, second = memory.published()
    assert isinstance(first, PaymentResolved)
    assert first == second
    assert len(memory.distinct_published()) == 1


@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_of_two_bodies_under_one_key_the_first_wins_and_the_other_is_told(
    in_one_batch: bool,  # noqa: FBT001
) -> None:
    memory, _ = stage()
    one, other = requested(), requested(amount_minor=5, fingerprint="1" * 64)

    if in_one_batch:
        await memory.deliver(one, other)
    else:
        await memory.deliver(one)
        await memory.deliver(other)

    first, second = memory.distinct_published()
    assert isinstance(first, PaymentResolved)
    assert first.amount_minor == 1000
    assert isinstance(second, PaymentConflicted)
    assert second.fingerprint == "1" * 64


@pytest.mark.parametrize(
    ("age", "changes", "outcomes"),
    [
        (timedelta(days=40), {}, []),
        (timedelta(days=40), {"fingerprint": "1" * 64}, [PaymentConflicted]),
        (timedelta(days=40), {"is_key_unproven": False}, [PaymentResolved]),
        (timedelta(0), {}, [PaymentResolved]),
    ],
)
async def test_a_retry_after_weeks_is_not_decided_anew_though_the_edge_could_not_ask(
    age: timedelta, changes: dict[str, Any], outcomes: list[type[Event]]
) -> None:
    acceptances = MemoryAcceptances()
    acceptances.put(payment_id(), Acceptance(NOW - age, "0" * 64))
    memory, _ = stage(acceptances)

    await memory.deliver(requested(**({"is_key_unproven": True} | changes)))

    assert [type(event) for event in memory.distinct_published()] == outcomes


async def test_the_same_payment_twice_in_one_batch_is_decided_once() -> None:
    memory, _ = stage()

    await memory.deliver(requested(), requested())

    assert len(memory.published()) == 1
