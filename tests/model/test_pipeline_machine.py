"""Whatever comes in whatever order, the route does what the paper says, and the books hold.

Rules put payments on the log, hand batches to stages that may die on them, let zombies wake,
freeze, hold, capture and let time pass. Each batch must publish exactly what the reference says;
after each step the books are compared, and the read model with a rebuilt one.
"""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from domain.account import NO_MINIMUM_MINOR, AccountOpening
from domain.hold import Capture, Hold
from domain.posting import Entry, Posting
from projections.payment_fold import PaymentRow, fold
from tests.model.checked import (
    FUNDS,
    PEOPLE,
    CheckedPipeline,
    event_id_of,
    subject_of,
    word_of,
)
from tests.model.pipeline import Fate, account_of, at_once
from tests.simulation.client import STRANGER, TREASURY, candidate_of
from tests.support.memory_stage import ROOT

ROUTE = ("requested", "resolved", "screened", "posted")
STEPS = ("handle_resolution", "risk_screening", "ledger_posting", "payment_projection")

people = st.sampled_from(PEOPLE)
handles = st.sampled_from([*PEOPLE, *PEOPLE, *PEOPLE, STRANGER])
pairs = st.sampled_from([*permutations(PEOPLE, 2), *permutations([PEOPLE[1], STRANGER], 2)])
# Mostly what fits, and what just does not.
amounts = st.one_of(st.integers(1, 350), st.sampled_from([599, 600, 601, FUNDS, FUNDS + 1]))
numbers = st.integers(0, 30)
steps = st.sampled_from(STEPS)
# A batch's fate, its order across partitions, and how much is taken of each.
batches = st.tuples(st.sampled_from([*[Fate.WELL] * 5, *Fate]), numbers, st.integers(1, 4))


class PipelineMachine(CheckedPipeline, RuleBasedStateMachine):
    """Few rules, each with many choices: so that payments get far in fifty steps."""

    @initialize()
    def open(self) -> None:
        openings = [AccountOpening(account_of(TREASURY), "USD", NO_MINIMUM_MINOR)]
        openings += [AccountOpening(account_of(name), "USD") for name in PEOPLE[1:]]
        self.in_unit(lambda unit: self.pipeline.ledger.open(openings, unit=unit))
        for name in PEOPLE:
            tier = "system" if name == TREASURY else "verified"
            self.pipeline.payers.open(account_of(name), tier)
            self.port(name, name)
            if name != TREASURY:
                self.post(f"funds of {name}", TREASURY, name, FUNDS)

    # -- Clients ------------------------------------------------------------------------------
    @rule(payments=st.lists(st.tuples(pairs, amounts), min_size=1, max_size=4))
    def pay(self, payments: list[tuple[tuple[str, str], int]]) -> None:
        for (payer, payee), amount in payments:
            candidate = candidate_of(f"key {len(self.asked)}", payer, payee, amount)
            self.publish(candidate, self.pipeline.clock.now())

    @rule(number=numbers, is_remembered=st.booleans())
    def pay_again(self, number: int, *, is_remembered: bool) -> None:
        """The same body under the same key; the edge may have forgotten when it first came."""
        if self.asked:
            candidate, at = self.asked[number % len(self.asked)]
            self.publish(candidate, at if is_remembered else self.pipeline.clock.now())

    @rule(number=numbers, payee=handles, amount=amounts)
    def pay_otherwise(self, number: int, payee: str, amount: int) -> None:
        """Another body under a used key, which the edge could not know of."""
        if self.asked:
            first, _ = self.asked[number % len(self.asked)]
            other = candidate_of("", first.from_handle, payee, amount)
            self.publish(replace(other, payment_id=first.payment_id), self.pipeline.clock.now())

    # -- Stages -------------------------------------------------------------------------------
    @rule(each=st.tuples(batches, batches, batches, batches))
    def flow(self, each: tuple[tuple[Fate, int, int], ...]) -> None:
        """Every stage takes a batch, one after the other, each with its own fate."""
        for step, batch in zip(STEPS, each, strict=True):
            self.work(step, *batch)

    @rule(step=steps, some=st.lists(batches, min_size=1, max_size=3))
    def press_on(self, step: str, some: list[tuple[Fate, int, int]]) -> None:
        """One stage takes several batches; a zombie may wake between them."""
        for batch in some:
            self.work(step, *batch)
            self.wake(step)

    @rule(step=steps, seed=numbers)
    def redeliver(self, step: str, seed: int) -> None:
        """A group falls back behind what it had committed, and works again."""
        offsets = self.pipeline.workers[step].reader.offsets
        for place, offset in sorted(offsets.items()):
            offsets[place] = max(0, offset - Random(f"{seed} {place}").randint(0, 5))
        self.work(step, Fate.WELL, seed, 3)

    # -- Operators and time -------------------------------------------------------------------
    @rule(handle=handles, owner=st.none() | people, is_undone=st.booleans())
    def port_a_handle(self, handle: str, owner: str | None, *, is_undone: bool) -> None:
        self.port(handle, owner)
        if is_undone and handle != STRANGER:
            self.port(handle, handle)

    @rule(person=people, is_frozen=st.booleans())
    def freeze(self, person: str, *, is_frozen: bool) -> None:
        ledger = self.pipeline.ledger
        change = ledger.freeze if is_frozen else ledger.unfreeze
        self.in_unit(lambda unit: change([account_of(person)], unit=unit))
        (self.paper.frozen.add if is_frozen else self.paper.frozen.discard)(person)

    @rule(seconds=st.sampled_from([1, 59, 60, 61, 3_600, 50_000]))
    def pass_time(self, seconds: int) -> None:
        self.pipeline.clock.time += timedelta(seconds=seconds)

    # -- Holds, as the rails will use them ----------------------------------------------------
    @rule(owner=people, amount=amounts, due_s=st.none() | st.sampled_from([30, 5_000]))
    def hold(self, owner: str, amount: int, due_s: int | None) -> None:
        hold_id = uuid5(ROOT, f"hold {len(self.held)}")
        self.held.append(hold_id)
        due = None if due_s is None else self.pipeline.clock.now() + timedelta(seconds=due_s)
        hold = Hold(hold_id, account_of(owner), "USD", amount, due)
        [result] = self.in_unit(lambda unit: self.pipeline.ledger.hold([hold], unit=unit))
        said = getattr(result, "code", "held")
        assert said == self.paper.hold(str(hold_id), owner, amount, due)

    @rule(number=numbers, payee=people, amount=amounts)
    def capture(self, number: int, payee: str, amount: int) -> None:
        placed = [each for each in self.held if str(each) in self.paper.holds]
        if not placed:
            return
        hold_id = placed[number % len(placed)]
        owner = self.paper.holds[str(hold_id)].owner
        if owner == payee:
            return
        entries = (Entry(account_of(owner), -amount), Entry(account_of(payee), amount))
        posting_id = uuid5(hold_id, f"{payee} {amount} {len(self.paper.entries)}")
        capture = Capture(hold_id, Posting(posting_id, "USD", entries))
        [result] = self.in_unit(lambda unit: self.pipeline.ledger.capture([capture], unit=unit))
        assert getattr(result, "code", "posted") == self.paper.capture(str(hold_id), payee, amount)

    @rule(number=numbers, is_expiry=st.booleans())
    def release(self, number: int, *, is_expiry: bool) -> None:
        """Void one hold, ended or not, or let all whose time is over expire."""
        ledger, now = self.pipeline.ledger, self.pipeline.clock.now()
        if is_expiry:
            ended = self.in_unit(lambda unit: ledger.expire(now=now, limit=1_000, unit=unit))
            assert len(ended) == self.paper.expire(now)
            return
        placed = list(self.paper.holds)
        if placed:
            name = placed[number % len(placed)]
            [result] = self.in_unit(lambda unit: ledger.void([UUID(name)], unit=unit))
            assert getattr(result, "code", "voided") == self.paper.void(name)

    # -- What must hold -----------------------------------------------------------------------
    @invariant()
    def the_books_are_as_on_paper(self) -> None:
        """I1, I2, I7, I8: sums, histories, minimums and holds."""
        ledger = self.pipeline.ledger
        accounts = at_once(ledger.balances([account_of(name) for name in PEOPLE]))
        assert sum(account.balance_minor for account in accounts.values()) == 0
        for name in PEOPLE if accounts else ():
            account = accounts[account_of(name)]
            assert account.balance_minor == self.paper.balance(name)
            assert account.held_minor == self.paper.held(name)
            assert account.is_frozen == (name in self.paper.frozen)
            assert name == TREASURY or account.available_minor >= 0
            amounts = [amount for _, owner, amount in self.paper.entries if owner == name]
            entries = at_once(ledger.entries(account.account_id, limit=1_000))[::-1]
            assert [entry.amount_minor for entry in entries] == amounts
            assert [entry.balance_after_minor for entry in entries] == [
                sum(amounts[: number + 1]) for number in range(len(amounts))
            ]

    @rule()
    def come_to_rest(self) -> None:
        """I3, I4, I6, I12: drain everything; then each payment has ended once, step by step."""
        self.drain(STEPS)
        ends: dict[str, set[str]] = defaultdict(set)
        order: dict[str, list[str]] = defaultdict(list)
        for message in self.pipeline.log.sequence:
            payment, word = subject_of(message.headers), word_of(message.topic)
            if word in {"posted", "refused"}:
                ends[payment].add(event_id_of(message.headers))
            if word in ROUTE and word not in order[payment]:
                order[payment].append(word)
        assert {payment: len(each) for payment, each in ends.items()} == dict.fromkeys(order, 1)
        assert all(tuple(each) == ROUTE[: len(each)] for each in order.values())

    @rule(seed=numbers)
    def rebuild(self, seed: int) -> None:
        """I10: the read model is the fold of what was read, shuffled and doubled."""
        events: list[Any] = [
            item
            for item in self.pipeline.log.events("payment.")
            if item.position.offset < self.projected[item.position.topic, item.position.partition]
        ]
        events *= 2
        Random(seed).shuffle(events)
        rows: dict[UUID, PaymentRow] = {}
        for item in events:
            payment_id = item.event.payment_id
            rows[payment_id] = fold(rows.get(payment_id), item.event, item.envelope.occurred_at)
        assert rows == self.pipeline.payments.rows


@pytest.mark.timeout(180)
def test_any_sequence_of_events_does_what_the_paper_says() -> None:
    run_machine(
        PipelineMachine,
        settings=settings(
            max_examples=500,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
