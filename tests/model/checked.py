"""The pipeline and the paper side by side: what is done to the one is told to the other.

Each batch must publish exactly what the paper says of it, or the part of that which came before
the process died.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID, uuid5

from domain.directory import HandleEntry, HandleTarget
from domain.limits import RiskLimits
from domain.posting import Entry, Posting
from producers.payments.decide import Candidate, message_of
from runtime.vault import Vault
from schemas.wire import Message
from tests.model.pipeline import Fate, Pipeline, Worker, account_of, at_once
from tests.model.reference import Limits, Outcome, Reference
from tests.simulation.client import CLIENT_ID, TREASURY
from tests.support.memory_stage import ROOT, RawRecord

PEOPLE = [TREASURY, "alice", "bob", "carol"]
FUNDS = 1_000
PAPER_LIMITS = Limits(payment=600, daily=1_200, count=3, window_s=60)
LIMITS = RiskLimits.model_validate(
    {
        "tiers": {
            "verified": {
                "payment_amount_minor_max": {"*": PAPER_LIMITS.payment},
                "daily_amount_minor_max": {"*": PAPER_LIMITS.daily},
                "velocity": {
                    "payments_max": PAPER_LIMITS.count,
                    "window_s": PAPER_LIMITS.window_s,
                },
            }
        },
        "unlimited": ["system"],
    }
)


class CheckedPipeline:
    """Both, and what a test needs to remember of what it did."""

    def __init__(self) -> None:
        super().__init__()
        self.pipeline = Pipeline(LIMITS)
        self.paper = Reference(PEOPLE, PAPER_LIMITS)
        self.asked: list[tuple[Candidate, datetime]] = []
        self.held: list[UUID] = []
        self.versions: dict[str, int] = defaultdict(int)
        self.projected: dict[tuple[str, int], int] = defaultdict(int)
        self.vault = Vault(bytes(32))

    # -- How it is done -----------------------------------------------------------------------
    def in_unit(self, act: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        async def unit() -> Any:
            async with self.pipeline.units.begin() as unit:
                return await act(unit)

        return at_once(unit())

    def post(self, cause: str, payer: str, payee: str, amount: int) -> None:
        entries = (Entry(account_of(payer), -amount), Entry(account_of(payee), amount))
        posting = Posting(uuid5(ROOT, cause), "USD", entries)
        self.in_unit(lambda unit: self.pipeline.ledger.post([posting], unit=unit))
        self.paper.move(cause, payer, payee, amount)

    def publish(self, candidate: Candidate, at: datetime) -> None:
        self.asked.append((candidate, at))
        body = (candidate.from_handle, candidate.to_handle, candidate.amount_minor)
        self.paper.bodies[str(candidate.payment_id), candidate.fingerprint] = body
        message = message_of(
            candidate,
            accepted_at=at,
            now=self.pipeline.clock.now(),
            description_sealed=None,
        )
        at_once(self.pipeline.log.publish([message], deadline_s=1))

    def port(self, handle: str, owner: str | None) -> None:
        """Let a handle name the account of its owner from now on, or nobody's."""
        self.versions[handle] += 1
        target = None if owner is None else HandleTarget(account_of(owner), "USD", "c2VhbGVk")
        now = self.pipeline.clock.now()
        version = self.versions[handle]
        self.pipeline.directory.put(HandleEntry(handle, version, CLIENT_ID, target, now))
        self.paper.names[handle] = owner

    def work(self, step: str, fate: Fate, seed: int, count: int) -> None:
        """One batch of one stage: in order within a partition, in any order across them."""
        worker = self.pipeline.workers[step]
        records = self.batch(worker, Random(seed), count)
        if not records:
            return
        if fate is Fate.LATE:
            worker.late.append(records)
        is_done = self.process(worker, records, fate, fuse=seed % len(records))
        if is_done and fate is not Fate.UNSAID:
            worker.reader.commit(records)

    def wake(self, step: str) -> None:
        """A zombie goes on with a batch that its successor has handled since."""
        worker = self.pipeline.workers[step]
        if worker.late:
            self.process(worker, worker.late.pop(0), Fate.WELL, fuse=0)

    def drain(self, steps: Sequence[str]) -> None:
        """Work until nothing is left, zombies included."""
        for step in steps:
            worker = self.pipeline.workers[step]
            while worker.late or worker.reader.waiting():
                self.wake(step)
                for place in worker.reader.waiting():
                    start = worker.reader.offsets[place]
                    records = self.pipeline.log.read(place, start, 1_000)
                    self.process(worker, records, Fate.WELL, fuse=0)
                    worker.reader.commit(records)

    def batch(self, worker: Worker, random: Random, count: int) -> list[RawRecord]:
        places = worker.reader.waiting()
        random.shuffle(places)
        return [
            record
            for place in places[: random.randint(1, 4)]
            for record in self.pipeline.log.read(place, worker.reader.offsets[place], count)
        ]

    def process(
        self, worker: Worker, records: Sequence[RawRecord], fate: Fate, *, fuse: int
    ) -> bool:
        """Work on a batch; what is published must be what the paper says of it."""
        before = len(self.pipeline.log.sequence)
        is_done = self.pipeline.process(worker, records, fate, fuse)
        published = [said(message) for message in self.pipeline.log.sequence[before:]]
        if worker.name == "payment_projection":
            # Its statement commits on its own, so what comes after it undoes nothing.
            assert published == []
            for record in records:
                place = (record.topic, record.partition)
                self.projected[place] = max(self.projected[place], record.offset + 1)
        elif fate is Fate.UNCOMMITTED:
            assert published == []
        else:
            expected = self.expected(worker.name, records)
            assert published == (expected if is_done else expected[:fuse])
            assert is_done or len(expected) > fuse
        return is_done

    def expected(self, step: str, records: Sequence[RawRecord]) -> list[tuple[str, Outcome]]:
        """What the paper says to a batch: each payment's outcome once, each conflict each time."""
        told: list[tuple[str, Outcome]] = []
        for record in records:
            payment = subject_of(record.headers)
            if step == "handle_resolution":
                body = json.loads(record.value or b"")
                at = datetime.fromisoformat(body["accepted_at"])
                outcome = self.paper.request(payment, body["fingerprint"], at)
            else:
                outcome = self.paper.go_on(step, payment)
            if outcome[0] == "conflicted" or (payment, outcome) not in told:
                told.append((payment, outcome))
        return told


NAME_OF = {str(account_of(name)): name for name in PEOPLE}


def said(message: Message) -> tuple[str, Outcome]:
    """What a published event says, in the words of the paper."""
    word = word_of(message.topic)
    body = json.loads(message.value)
    details = {
        "resolved": ("payer_account_id", "payee_account_id"),
        "refused": ("code",),
        "conflicted": ("fingerprint",),
    }.get(word, ())
    told = (NAME_OF.get(body[name], body[name]) for name in details)
    return body["payment_id"], (word, *told)


def word_of(topic: str) -> str:
    return topic.split(".")[1]


def subject_of(headers: Sequence[tuple[str, bytes | None]]) -> str:
    return (dict(headers)["ce_subject"] or b"").decode()


def event_id_of(headers: Sequence[tuple[str, bytes | None]]) -> str:
    return (dict(headers)["ce_id"] or b"").decode()
