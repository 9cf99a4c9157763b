"""One life: everything that one seed makes, from the first account to the last payment's end."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID, uuid5

import structlog

from consumers.handle_resolution.store import MemoryGrants
from domain.account import NO_MINIMUM_MINOR, AccountOpening
from domain.directory import HandleEntry, HandleTarget
from domain.limits import RiskLimits
from runtime.unit import MemoryUnit
from tests.simulation.broker import Broker
from tests.simulation.client import CLIENT_ID, PEOPLE, TREASURY, Clients, candidate_of
from tests.simulation.database import Server
from tests.simulation.edge import CacheServer, Edge, ProjectedPayments
from tests.simulation.loop import Process
from tests.simulation.member import Member
from tests.simulation.mishaps import FROZEN_S_MAX, RESTART_S_MAX, Mishaps
from tests.simulation.nature import Nature
from tests.simulation.stores import (
    ProjectedAcceptances,
    SharedDirectory,
    SharedInbox,
    SharedLedger,
    SharedPayers,
    SharedPayments,
)
from tests.simulation.watch import Watch
from tests.support.memory_stage import ROOT
from tests.support.wallet_stages import wallet_stages

PAYMENTS_MAX: Final = 16
LOAD_S: Final = 6.0
ENDS_S_MAX: Final = 60.0
"""Promise P4: every payment has ended so long after the last fault."""

_REST_POLL_S: Final = 0.25

# Narrow enough that a short life meets each of them.
LIMITS: Final = RiskLimits.model_validate(
    {
        "tiers": {
            "verified": {
                "payment_amount_minor_max": {"*": 900},
                "daily_amount_minor_max": {"*": 2_000},
                "velocity": {"payments_max": 3, "window_s": 3},
            }
        },
        "unlimited": ["system"],
    }
)


class StuckError(AssertionError):
    """Something did not end in time after the last fault."""


@dataclass(frozen=True, slots=True)
class Life:
    """What a life came to."""

    seed: int
    hash: str
    recovery_s: float
    """From the last fault to the end of the last payment."""


class World:
    """All that there is. `live` plays it through; `tests/simulation/check.py` judges it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.nature = nature = Nature(seed)
        self.driver = nature.loop.process("driver")
        self.broker = Broker(nature)
        self.server = Server(nature)
        self.cache = CacheServer(nature)
        self.ledger = SharedLedger(now=nature.now)
        self.payments = SharedPayments()
        self.payers = SharedPayers()
        self.directory = SharedDirectory()
        self.inboxes: dict[str, SharedInbox] = {}
        self.accounts: dict[str, UUID] = {name: uuid5(ROOT, name) for name in (TREASURY, *PEOPLE)}
        self.members: list[Member] = []
        self.edges: list[Edge] = []
        self.clients = Clients(nature, lambda: self.edges)
        self.mishaps = Mishaps(self)
        self.watch = Watch(self)
        self.last_fault_s = 0.0
        self.recovery_s = 0.0
        nature.loop.before_step = self._before_step

    def live(self) -> Life:
        """Play it through; StuckError if it does not come to rest."""
        with _quiet():
            self.nature.loop.run(self.driver, self._live())
        return self.life()

    def life(self) -> Life:
        """What it came to, so far."""
        return Life(self.seed, self.nature.trace.hash(), self.recovery_s)

    def mortals(self) -> list[Member | Edge]:
        """Every process that may die."""
        return [*self.members, *self.edges]

    def kill(self, victim: Member | Edge) -> None:
        """SIGKILL; a supervisor starts it again after a while."""
        if not victim.process.is_alive:
            return
        doing = victim.interrupted_in if isinstance(victim, Member) else victim.process.doing
        kind = "a stage" if isinstance(victim, Member) else "an edge"
        self.nature.trace.sometimes(f"{kind} was killed in {doing}")
        victim.process.kill()
        self.server.client_died(victim.process)
        pause_s = self.nature.random.random() * RESTART_S_MAX
        self.driver.call_later(pause_s, self.start, victim)

    def freeze(self, victim: Member | Edge, for_s: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        process = victim.process
        if process.is_alive and not process.is_frozen:
            self.nature.trace.note(f"{process.name} freezes in {process.doing}")
            process.freeze()
            self.server.client_froze(process)
            self.driver.call_later(for_s, self._thaw, victim, process)

    def name(self, handle: str, owner: str | None) -> None:
        """Let a handle name the account of its owner from now on, or nobody's."""
        version = 1 + max(
            (number for known, number in self.directory.past if known == handle), default=0
        )
        target = None if owner is None else HandleTarget(self.accounts[owner], "USD", "c2VhbGVk")
        entry = HandleEntry(handle, version, CLIENT_ID, target, self.nature.now())
        self.directory.put(entry)
        self.nature.trace.note(f"{handle} names {owner}")

    # -- A life -------------------------------------------------------------------------------
    async def _live(self) -> None:
        await self._open_accounts()
        for name in (TREASURY, *PEOPLE):
            self.name(name, name)
        self._start_processes()
        for name in PEOPLE:
            self.clients.pay(candidate_of(f"funds of {name}", TREASURY, name, 1_000), 0.0)
        self.clients.live(self.nature.random.randint(4, PAYMENTS_MAX), LOAD_S)
        mishaps = self.driver.spawn(self.mishaps.go_on())
        await asyncio.sleep(LOAD_S * self.nature.random.uniform(1.0, 2.0))
        mishaps.cancel()
        self.nature.heal()
        self.last_fault_s = self.nature.loop.time()
        self.nature.trace.note("the weather clears")
        await self._rest()

    async def _open_accounts(self) -> None:
        openings = [AccountOpening(self.accounts[TREASURY], "USD", NO_MINIMUM_MINOR)]
        openings += [AccountOpening(self.accounts[name], "USD") for name in PEOPLE]
        await self.ledger.open(openings, unit=MemoryUnit())
        for name, account_id in self.accounts.items():
            self.payers.open(account_id, "system" if name == TREASURY else "verified")

    def _start_processes(self) -> None:
        known = ProjectedPayments(self.server, self.payments, self.nature)
        for number in range(self.nature.weather.edges):
            self.edges.append(
                Edge(
                    f"edge-{number}",
                    nature=self.nature,
                    broker=self.broker,
                    cache=self.cache,
                    known=known,
                )
            )
        for stage in wallet_stages(
            directory=self.directory,
            acceptances=ProjectedAcceptances(self.payments),
            grants=MemoryGrants(),
            payers=self.payers,
            limits=LIMITS,
            ledger=self.ledger,
            payments=self.payments,
        ):
            self.inboxes[stage.name] = SharedInbox(self.nature)
            for number in range(self.nature.weather.members):
                self.members.append(
                    Member(
                        f"{stage.name}-{number}",
                        stage,
                        inbox=self.inboxes[stage.name],
                        broker=self.broker,
                        server=self.server,
                        nature=self.nature,
                    )
                )

    async def _rest(self) -> None:
        """Return once nothing is left to do; StuckError if that takes too long."""
        while left := list(self._left_to_do()):
            self.recovery_s = self.nature.loop.time() - self.last_fault_s
            if self.recovery_s > ENDS_S_MAX:
                raise StuckError(f"after {ENDS_S_MAX:.0f} s still left: {'; '.join(left)}")
            await asyncio.sleep(_REST_POLL_S)

    def _left_to_do(self) -> Iterator[str]:
        if not self.clients.know_everything:
            yield "clients wait for answers"
        if self.broker.in_flight:
            yield "sends are in flight"
        for victim in self.mortals():
            if not victim.process.is_alive or victim.process.is_frozen:
                yield f"{victim.name} does not run"
        for group in self.broker.groups.values():
            for place in group.places:
                if group.committed.get(place, 0) < self.broker.end(place):
                    yield f"{group.name} is behind in {place.topic}/{place.partition}"

    # -- Bad luck -----------------------------------------------------------------------------
    def _before_step(self, process: Process) -> None:
        """Perhaps this process does not get to take its next step."""
        weather, happens = self.nature.weather, self.nature.happens
        # More often where it hurts.
        weight = 0.5 if process.doing == "nothing" else 2.0
        is_killed = happens(weather.kill_per_step * weight)
        is_frozen = happens(weather.freeze_per_step * weight)
        if is_killed or is_frozen:
            victim = next(each for each in self.mortals() if each.process is process)
            for_s = self.nature.random.random() * FROZEN_S_MAX
            self.driver.visit(
                partial(self.kill, victim) if is_killed else partial(self.freeze, victim, for_s)
            )

    def start(self, victim: Member | Edge) -> None:
        """Start a process that has ended, unless somebody else did."""
        if not victim.process.is_alive:
            victim.start()

    def _thaw(self, victim: Member | Edge, process: Process) -> None:
        self.last_fault_s = self.nature.loop.time()
        process.thaw()
        self.nature.trace.note(f"{process.name} thaws")
        if isinstance(victim, Member) and process.is_alive and victim.is_zombie:
            self.nature.trace.sometimes("a zombie woke up")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without a log line for each fault that was meant."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
