"""The payment's whole route over memory ports, driven by one seed through bad luck of every kind.

The stages are the real ones: handlers, decisions, inbox, loop and wire. Around them stand a log, a
ledger and a directory in memory, and a random number generator that plays Kafka, the clients and
the power supply. The same seed gives the same life, step by step.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid5

from consumers.handle_resolution.handler import on_payment_conflicted, on_payments_requested
from consumers.handle_resolution.store import MemoryAcceptances, MemoryDirectory
from consumers.ledger_posting.handler import on_payments_screened
from consumers.payment_projection.handler import on_payment_events
from consumers.payment_projection.store import MemoryPayments
from consumers.risk_screening.handler import on_payments_resolved
from consumers.risk_screening.store import MemoryPayers
from domain.account import NO_MINIMUM_MINOR, AccountOpening
from domain.directory import HandleEntry, HandleTarget
from domain.limits import RiskLimits
from domain.payment import PaymentType
from ledger_adapter.memory import MemoryLedger
from producers.payments.decide import Candidate, message_of, payment_id_for
from runtime.inbox import Inbox, MemoryInbox
from runtime.stage import Stage, StageRunner
from runtime.topics import topic_map
from runtime.unit import MemoryUnit, MemoryUnits
from runtime.vault import Vault
from tests.flow.memory_log import MemoryLog, Place, Reader
from tests.support.memory_stage import ROOT, Crash, FixedClock, RawRecord

TREASURY = "treasury"
PEOPLE = ("alice", "bob", "carol", "dave")
STRANGER = "nobody-yet"
BATCH_RECORDS_MAX = 6

# Narrow enough that a life of fifty steps meets each of them.
LIMITS = RiskLimits.model_validate(
    {
        "tiers": {
            "verified": {
                "payment_amount_minor_max": {"*": 900},
                "daily_amount_minor_max": {"*": 2_000},
                "velocity": {"payments_max": 2, "window_s": 4},
            }
        },
        "unlimited": ["system"],
    }
)


@dataclass
class Member:
    """A stage with its place in the log."""

    runner: StageRunner
    reader: Reader
    late: list[list[RawRecord]] = field(default_factory=list)
    """Batches that a process held when it was taken for dead: it may wake and go on with them."""

    @property
    def name(self) -> str:
        return self.runner.stage.name


class FragileUnits(MemoryUnits):
    """Units whose process may die: `dies` before the commit."""

    dies = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryUnit]:
        async with super().begin() as unit:
            yield unit
            if self.dies:
                raise Crash


def account_of(name: str) -> UUID:
    return uuid5(ROOT, name)


class Simulation:
    """One life. `inbox` may be another than the real one, to see that the loss of it is noticed."""

    def __init__(self, seed: int, inbox: Callable[[], Inbox] = MemoryInbox) -> None:
        self.random = random.Random(seed)
        self.clock = FixedClock()
        self.log = MemoryLog()
        self.ledger = MemoryLedger(now=self.clock.now)
        self.payments = MemoryPayments()
        self.trace: list[str] = []
        self.asked: list[tuple[Candidate, datetime]] = []
        self._directory = MemoryDirectory()
        self._payers = MemoryPayers()
        self._units = FragileUnits()
        self._versions: dict[str, int] = {}
        self._vault = Vault(bytes(32))
        self.members = [self._member(stage, inbox()) for stage in self._stages()]
        self._actions: list[Callable[[], Awaitable[None]]] = [
            *[self._ask] * 8,
            *[self._ask_again] * 3,
            self._ask_otherwise,
            self._port,
            self._forget_commits,
        ]

    async def live(self, steps: int) -> None:
        """So many random steps, then nothing bad until all that was asked for has ended."""
        await self._open_accounts()
        for name in (TREASURY, *PEOPLE):
            self._name(name, name)
        for name in PEOPLE:
            await self._publish(self._candidate(TREASURY, name, 1_000))
        for _ in range(steps):
            self.clock.time += timedelta(milliseconds=self.random.randrange(400))
            if self.random.random() < 0.3:
                await self.random.choice(self._actions)()
            else:
                await self._work(self.random.choice(self.members))
        await self.drain()

    async def drain(self) -> None:
        """Let every stage handle all there is, late batches of the dead included."""
        while busy := [each for each in self.members if each.late or each.reader.waiting()]:
            for member in busy:
                for records in member.late:
                    await self._process(member, records, "late")
                member.late.clear()
                for place in member.reader.waiting():
                    offset = member.reader.offsets[place]
                    records = self.log.read(place, offset, len(self.log.partitions[place]))
                    if await self._process(member, records, "calm"):
                        member.reader.commit(records)

    def _stages(self) -> list[Stage]:
        return [
            Stage(
                "handle_resolution",
                partial(
                    on_payments_requested,
                    directory=self._directory,
                    acceptances=MemoryAcceptances(),
                ),
                on_conflict=on_payment_conflicted,
            ),
            Stage(
                "risk_screening",
                partial(on_payments_resolved, payers=self._payers, limits=LIMITS),
            ),
            Stage("ledger_posting", partial(on_payments_screened, ledger=self.ledger)),
            Stage(
                "payment_projection",
                partial(on_payment_events, payments=self.payments),
                inbox=False,
            ),
        ]

    def _member(self, stage: Stage, inbox: Inbox) -> Member:
        runner = StageRunner(
            stage,
            topics=topic_map(),
            prefix="",
            units=self._units,
            inbox=inbox,
            publisher=self.log,
            clock=self.clock,
        )
        return Member(runner, Reader(list(runner.topics), self.log))

    async def _open_accounts(self) -> None:
        openings = [AccountOpening(account_of(TREASURY), "USD", NO_MINIMUM_MINOR)]
        openings += [AccountOpening(account_of(name), "USD") for name in PEOPLE]
        async with self._units.begin() as unit:
            await self.ledger.open(openings, unit=unit)
        for name in (TREASURY, *PEOPLE):
            self._payers.open(account_of(name), "system" if name == TREASURY else "verified")

    def _name(self, handle: str, owner: str) -> None:
        """Let a handle name the account of its owner from now on."""
        version = self._versions[handle] = self._versions.get(handle, 0) + 1
        target = HandleTarget(account_of(owner), "USD", "c2VhbGVk")
        self._directory.put(HandleEntry(handle, version, "demo", target, self.clock.now()))
        self.trace.append(f"{handle} names {owner}")

    def _candidate(self, payer: str, payee: str, amount_minor: int) -> Candidate:
        body = f"{payer} {payee} {amount_minor}"
        return Candidate(
            payment_id=payment_id_for("demo", f"key {len(self.asked)}"),
            client_id="demo",
            fingerprint=f"{uuid5(ROOT, body).int:064x}",
            is_fresh=False,
            from_handle=payer,
            to_handle=payee,
            amount_minor=amount_minor,
            currency="USD",
            payment_type=PaymentType.WALLET,
            description=None,
            traceparent=None,
        )

    def _any_payment(self) -> Candidate:
        payer, payee = self.random.sample([TREASURY, *PEOPLE, STRANGER], 2)
        return self._candidate(payer, payee, self.random.randint(1, 1_000))

    async def _publish(self, candidate: Candidate, accepted_at: datetime | None = None) -> None:
        accepted_at = accepted_at or self.clock.now()
        self.asked.append((candidate, accepted_at))
        self.trace.append(
            f"{candidate.payment_id}: {candidate.from_handle} asks to pay "
            f"{candidate.to_handle} {candidate.amount_minor}"
        )
        message = message_of(
            candidate, accepted_at=accepted_at, now=self.clock.now(), vault=self._vault
        )
        await self.log.publish([message], deadline_s=1)

    async def _ask(self) -> None:
        await self._publish(self._any_payment())

    async def _ask_again(self) -> None:
        """A client repeats a request; the edge may have forgotten when it first came."""
        candidate, accepted_at = self.random.choice(self.asked)
        await self._publish(candidate, self.random.choice([accepted_at, None]))

    async def _ask_otherwise(self) -> None:
        """Another body under a used key, which the edge could not know of."""
        first, _ = self.random.choice(self.asked)
        await self._publish(replace(self._any_payment(), payment_id=first.payment_id))

    async def _port(self) -> None:
        self._name(self.random.choice([*PEOPLE, STRANGER]), self.random.choice(PEOPLE))

    async def _forget_commits(self) -> None:
        """A group falls back behind what it had committed, as after a lost commit."""
        member = self.random.choice(self.members)
        for place, offset in member.reader.offsets.items():
            member.reader.offsets[place] = self.random.randint(max(0, offset - 5), offset)
        self.trace.append(f"{member.name} forgets commits")

    async def _work(self, member: Member) -> None:
        """One batch of a stage, which may die anywhere in it."""
        if member.late and self.random.random() < 0.5:
            woken = member.late.pop(self.random.randrange(len(member.late)))
            await self._process(member, woken, "zombie")
            return
        places = member.reader.waiting()
        if not places:
            return
        records = self._batch(member, places)
        fate = self.random.choice(["well"] * 6 + ["uncommitted", "unpublished", "late", "unsaid"])
        if fate == "late":
            member.late.append(records)
        self._units.dies = fate == "uncommitted"
        self.log.fuse = self.random.randrange(len(records)) if fate == "unpublished" else None
        try:
            done = await self._process(member, records, fate)
        finally:
            self._units.dies = False
            self.log.fuse = None
        if done and fate != "unsaid":
            member.reader.commit(records)

    def _batch(self, member: Member, places: Sequence[Place]) -> list[RawRecord]:
        """Some records of some partitions: in order within each, in any order across them."""
        chosen = self.random.sample(places, self.random.randint(1, len(places)))
        records: list[RawRecord] = []
        for place in chosen:
            count = self.random.randint(1, BATCH_RECORDS_MAX)
            records += self.log.read(place, member.reader.offsets[place], count)
        return records

    async def _process(self, member: Member, records: list[RawRecord], fate: str) -> bool:
        where = " ".join(f"{each.topic}/{each.partition}/{each.offset}" for each in records)
        self.trace.append(f"{member.name} {fate}: {where}")
        try:
            letters = await member.runner.process(records)
        except Crash:
            return False
        assert not letters
        return True
