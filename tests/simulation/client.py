"""Clients that pay, repeat, hurry and err, and remember what they were told.

The history they keep is all that the checker believes: what was asked, under which key, and each
answer, where there was one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import uuid5

from domain.payment import PaymentType
from producers.payments.decide import Candidate, Verdict, payment_id_for
from tests.simulation.edge import Edge
from tests.simulation.nature import Nature
from tests.support.memory_stage import ROOT

TREASURY = "treasury"
PEOPLE = ("alice", "bob", "carol", "dave")
STRANGER = "nobody-yet"
CLIENT_ID = "demo"

_ANSWER_S_MAX = 5.0
_REPEAT_S = 1.0
_DEFINITE = (Verdict.ACCEPTED, Verdict.REPLAYED, Verdict.REUSED)
_GIVES_UP = 0.3


@dataclass
class Asked:
    """A body under a key, and every answer to it; None is an answer that never came."""

    candidate: Candidate
    answers: list[Verdict | None] = field(default_factory=list)


def candidate_of(key: str, payer: str, payee: str, amount_minor: int) -> Candidate:
    """What the edge makes of a client's body."""
    body = f"{payer} {payee} {amount_minor}"
    return Candidate(
        payment_id=payment_id_for(CLIENT_ID, key),
        client_id=CLIENT_ID,
        fingerprint=f"{uuid5(ROOT, body).int:064x}",
        is_fresh=False,
        from_handle=payer,
        to_handle=payee,
        amount_minor=amount_minor,
        currency="USD",
        payment_type=PaymentType.WALLET,
        description=None,
        traceparent=None,
        is_payer_checked=False,
    )


class Clients:
    """All clients of one life. They outlive every fault, and ask until they know.

    To be told that nothing was done is to know: some believe it and go elsewhere.
    """

    def __init__(self, nature: Nature, edges: Callable[[], list[Edge]]) -> None:
        self.process = nature.loop.process("client")
        self.history: list[Asked] = []
        self._nature = nature
        self._edges = edges
        self._under_way = 0

    @property
    def know_everything(self) -> bool:
        """Whether each request has a definite answer."""
        return self._under_way == 0

    def pay(self, candidate: Candidate, after_s: float) -> None:
        """Ask for this after a while, and repeat until the answer is definite."""
        asked = Asked(candidate)
        self.history.append(asked)
        self._under_way += 1
        self.process.spawn(self._pay(asked, after_s))

    def live(self, payments: int, within_s: float) -> None:
        """Ask for so many payments, most once, some twice or otherwise."""
        random = self._nature.random
        for number in range(payments):
            payer, payee = random.sample([TREASURY, *PEOPLE, STRANGER], 2)
            candidate = candidate_of(f"key {number}", payer, payee, random.randint(1, 1_000))
            at_s = random.random() * within_s
            self.pay(candidate, at_s)
            fate = random.random()
            if fate < 0.15:
                self.pay(candidate, at_s)
            elif fate < 0.3:
                self.pay(candidate, at_s + random.random() * within_s)
            elif fate < 0.45:
                other = replace(
                    candidate_of("", payer, payee, candidate.amount_minor + 1),
                    payment_id=candidate.payment_id,
                )
                self.pay(other, at_s + random.choice((0.0, random.random() * within_s)))

    async def _pay(self, asked: Asked, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while True:
            verdict = await self._ask(asked.candidate)
            asked.answers.append(verdict)
            said = "no answer" if verdict is None else verdict.value
            key = str(asked.candidate.payment_id)[:8]
            self._nature.trace.note(f"{key} {asked.candidate.fingerprint[-4:]}: {said}")
            if verdict in _DEFINITE:
                break
            if verdict is Verdict.UNAVAILABLE and self._nature.happens(_GIVES_UP):
                self._nature.trace.sometimes("a client was told that nothing was done and went")
                break
            await asyncio.sleep(_REPEAT_S * self._nature.random.uniform(0.1, 1.0))
        if len(asked.answers) > 1:
            self._nature.trace.sometimes("a client asked again and learned the truth")
        self._under_way -= 1

    async def _ask(self, candidate: Candidate) -> Verdict | None:
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        edge = self._nature.random.choice(self._edges())
        if not edge.process.is_alive:
            await self._nature.travel()
            return None
        edge.request(candidate, answer)
        try:
            async with asyncio.timeout(_ANSWER_S_MAX):
                return await answer
        except TimeoutError:
            return None
