"""Any sequence of units, some rolled back, leaves each ledger as the one on paper.

Commands come in batches, with ids from a small pool, so that repeats and contradictions are
common; a contradiction must raise and leave nothing. After each step the balances and the whole
histories are compared.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from domain.account import AccountOpening
from domain.errors import Defect
from domain.hold import Capture, Hold
from domain.posting import Entry, Posting
from tests.contracts.ledger_draws import (
    FUNDS_MINOR,
    OPENED,
    UNLIMITED,
    accounts,
    amounts,
    currencies,
    ids,
    mostly,
    moves,
    word,
)
from tests.contracts.ledger_model import ContradictionError, Paper, PaperAccount
from tests.contracts.ledger_place import NOW, Place, UnitFailed, memory_place, savepoint_place

EACH_ADAPTER = pytest.mark.parametrize(
    "place_dsn", ["memory", pytest.param("postgres", marks=pytest.mark.real)], indirect=True
)

T = TypeVar("T")
Say = Callable[[Paper], list[str]]
Do = Callable[[Any], Awaitable[list[Any]]]
Moves = list[tuple[int, int]]


class LedgerMachine(RuleBasedStateMachine):
    dsn: str | None

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.connection: asyncpg.Connection[asyncpg.Record] | None = None
        self.place = self.run(self.begin(self.dsn)) if self.dsn else memory_place()
        self.paper = Paper()
        self.minutes = 0
        self.done: list[Callable[[], None]] = []
        # One number a step apart: the order of ids is the order of their numbers.
        self.root = uuid4().int & ~0xFFFF

    def run(self, work: Awaitable[T]) -> T:
        async def waited() -> T:
            return await work

        return self.runner.run(waited())

    async def begin(self, dsn: str) -> Place:
        self.connection = await asyncpg.connect(dsn, timeout=5, command_timeout=5)
        await self.connection.execute("SET ROLE titan_app")
        await self.connection.transaction().start()
        # What other tests left open and due is no business of this machine.
        await self.connection.execute(
            "UPDATE ledger_holds SET ended_as = 'voided', ended_at = now() WHERE ended_as IS NULL"
        )
        return savepoint_place(self.connection)

    def teardown(self) -> None:
        if self.connection is not None:
            self.run(self.connection.close(timeout=5))
        self.runner.close()

    def uuid(self, kind: int, number: int) -> UUID:
        return UUID(int=self.root + 256 * kind + number)

    def account_id(self, number: int) -> UUID:
        return self.uuid(0, number)

    def in_unit(self, say: Say, do: Do, *, commits: bool) -> None:
        """Ask the paper, then the ledger; both must answer the same, or both contradict."""

        async def unit() -> list[Any]:
            async with self.place.units.begin() as unit:
                results = await do(unit)
                if not commits:
                    answers.extend(word(result) for result in results)
                    raise UnitFailed
                return results

        paper = copy.deepcopy(self.paper)
        answers: list[str] = []
        try:
            expected = say(paper)
        except ContradictionError:
            with pytest.raises(Defect):
                self.run(unit())
            return
        if not commits:
            with pytest.raises(UnitFailed):
                self.run(unit())
        else:
            answers.extend(word(result) for result in self.run(unit()))
            self.paper = paper
        assert answers == expected

    def command(self, say: Say, do: Do, *, commits: bool) -> None:
        again = partial(self.in_unit, say, do, commits=commits)
        self.done.append(again)
        again()

    @initialize()
    def open(self) -> None:
        batch = []
        for number, (currency, minimum_minor) in enumerate(OPENED):
            batch.append(AccountOpening(self.account_id(number), currency, minimum_minor))
            self.paper.accounts[number] = PaperAccount(currency, minimum_minor)

        async def unit() -> None:
            async with self.place.units.begin() as unit:
                first = await self.place.ledger.open(batch, unit=unit)
                assert await self.place.ledger.open(batch, unit=unit) == first

        self.run(unit())
        for number, wallet in ((200, 0), (201, 1)):
            self.post(
                [(number, "USD", [(UNLIMITED, -FUNDS_MINOR), (wallet, FUNDS_MINOR)])], commits=True
            )
            self.hold([(number, wallet, "USD", FUNDS_MINOR // 3, 5)], commits=True)

    @rule(batch=st.lists(st.tuples(ids, currencies, moves()), max_size=5), commits=mostly)
    def post(self, batch: list[tuple[int, str, Moves]], *, commits: bool) -> None:
        postings = [self.posting(*command) for command in batch]

        self.command(
            lambda paper: [paper.post(*command) for command in batch],
            lambda unit: self.place.ledger.post(postings, unit=unit),
            commits=commits,
        )

    @rule(
        batch=st.lists(
            st.tuples(ids, accounts, currencies, amounts, st.none() | st.integers(0, 12)),
            max_size=4,
        ),
        commits=mostly,
    )
    def hold(
        self,
        batch: list[tuple[int, int, str, int, int | None]],
        *,
        commits: bool,
    ) -> None:
        holds = [
            Hold(
                self.uuid(2, number),
                self.account_id(account),
                currency,
                amount,
                None if due is None else NOW + timedelta(minutes=due),
            )
            for number, account, currency, amount, due in batch
        ]

        self.command(
            lambda paper: [paper.hold(*command) for command in batch],
            lambda unit: self.place.ledger.hold(holds, unit=unit),
            commits=commits,
        )

    @rule(batch=st.lists(st.tuples(ids, currencies, moves(), ids), max_size=3), commits=mostly)
    def capture(
        self,
        batch: list[tuple[int, str, Moves, int]],
        *,
        commits: bool,
    ) -> None:
        # Nearly always a hold there is, and its account for the debit: else all would contradict.
        aimed = []
        for number, currency, moved, near in batch:
            hold = self.hold_near(near)
            debited = (
                self.paper.holds[hold].contents[0] if hold in self.paper.holds else moved[0][0]
            )
            swapped = {debited: moved[0][0], moved[0][0]: debited}
            aimed.append(
                (number, currency, [(swapped.get(one, one), by) for one, by in moved], hold)
            )
        captures = [
            Capture(self.uuid(2, hold), self.posting(number, currency, moved))
            for number, currency, moved, hold in aimed
        ]

        self.command(
            lambda paper: [paper.post(*command) for command in aimed],
            lambda unit: self.place.ledger.capture(captures, unit=unit),
            commits=commits,
        )

    @rule(batch=st.lists(ids, max_size=3), commits=mostly)
    def void(self, batch: list[int], *, commits: bool) -> None:
        aimed = [self.hold_near(number) for number in batch]
        self.in_unit(
            lambda paper: [paper.void(number) for number in aimed],
            lambda unit: self.place.ledger.void([self.uuid(2, one) for one in aimed], unit=unit),
            commits=commits,
        )

    @rule(minutes=st.integers(0, 10), limit=st.integers(1, 3), commits=mostly)
    def expire(self, minutes: int, limit: int, *, commits: bool) -> None:
        self.minutes += minutes
        self.place.time.pass_by(minutes=minutes)
        now = self.place.time.now
        self.in_unit(
            lambda paper: ["expired" for _ in paper.expire(self.minutes, limit)],
            lambda unit: self.place.ledger.expire(now=now, limit=limit, unit=unit),
            commits=commits,
        )

    @rule(account=accounts, is_frozen=st.booleans())
    def freeze(self, account: int, *, is_frozen: bool) -> None:
        change = self.place.freeze if is_frozen else self.place.unfreeze
        unknown = self.run(change(self.account_id(account)))
        assert bool(unknown) == (account not in self.paper.accounts)
        if not unknown:
            self.paper.accounts[account].frozen = is_frozen

    @rule(number=st.integers(0, 50))
    def repeat(self, number: int) -> None:
        if self.done:
            self.done[number % len(self.done)]()

    @invariant()
    def stands_as_on_paper(self) -> None:
        found = self.run(
            self.place.reader.balances([self.account_id(one) for one in range(len(OPENED) + 1)])
        )
        assert {
            one.account_id: (one.balance_minor, one.held_minor, one.is_frozen, one.entry_count)
            for one in found.values()
        } == {
            self.account_id(one): (
                self.paper.balance(one),
                self.paper.held(one),
                self.paper.accounts[one].frozen,
                len(self.paper.accounts[one].history),
            )
            for one in self.paper.accounts
        }
        for one, stands in self.paper.accounts.items():
            lines = self.run(self.place.reader.entries(self.account_id(one), limit=1_000))
            assert [(line.posting_id, line.amount_minor) for line in reversed(lines)] == [
                (self.uuid(1, posting), amount) for posting, amount in stands.history
            ]
            before_minor = 0
            for line in reversed(lines):
                before_minor += line.amount_minor
                assert line.balance_after_minor == before_minor

    def hold_near(self, number: int) -> int:
        placed = sorted(self.paper.holds)
        return placed[number % len(placed)] if placed and number else number

    def posting(self, number: int, currency: str, moved: Moves) -> Posting:
        made = tuple(Entry(self.account_id(one), amount_minor) for one, amount_minor in moved)
        return Posting(self.uuid(1, number), currency, made)


@pytest.mark.timeout(60)
@EACH_ADAPTER
def test_any_sequence_of_units_leaves_the_ledger_as_it_is_on_paper(place_dsn: str | None) -> None:
    class Machine(LedgerMachine):
        dsn = place_dsn

    run_machine(
        Machine,
        settings=settings(
            max_examples=30 if place_dsn else 100,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
