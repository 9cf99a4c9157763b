"""The checks of money: the books recomputed, the limits counted again, the read model rebuilt.

I1 sums are zero | I2 balances are sums | I4 one posting a payment | I7 nobody below zero
I10 the read model is the fold of the log, in whatever order and however often it is read
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from projections.payment_fold import PaymentRow, fold
from runtime.topics import topic_map
from schemas.event import Position
from schemas.wire import decode
from tests.model.reference import Limits, Spending
from tests.simulation.client import TREASURY
from tests.simulation.evidence import Evidence
from tests.simulation.world import LIMITS

Moves = frozenset[tuple[str, int]]


def postings(evidence: Evidence) -> Iterator[str]:
    """The ledger recorded what was said to be posted, each payment once, and nothing else."""
    said: dict[str, Moves] = {}
    for fact in evidence.first.values():
        if fact.topic == "payment.posted.v1":
            body = fact.body
            amount_minor = body["amount_minor"]
            said[body["posting_id"]] = frozenset(
                {
                    (body["payer_account_id"], -amount_minor),
                    (body["payee_account_id"], amount_minor),
                }
            )
    recorded: dict[str, Moves] = {
        str(posting_id): frozenset(
            (str(each.account_id), each.amount_minor) for each in posted.entries
        )
        for posting_id, posted in evidence.postings.items()
    }
    for posting_id in said.keys() | recorded.keys():
        if said.get(posting_id) != recorded.get(posting_id):
            yield f"I4: the ledger and the log differ about posting {posting_id}"
    for posting_id, moves in recorded.items():
        if sum(amount_minor for _, amount_minor in moves) != 0:
            yield f"I1: posting {posting_id} does not balance"


def books(evidence: Evidence) -> Iterator[str]:
    """Each account's history adds up, line by line, and never goes below its minimum."""
    ledger = evidence.world.ledger
    treasury = evidence.world.accounts[TREASURY]
    histories: dict[UUID, list[tuple[int, int, int]]] = defaultdict(list)
    for (account_id, sequence), entry in ledger._entries.items():
        histories[account_id].append((sequence, entry.amount_minor, entry.balance_after_minor))
    for account_id, account in ledger._accounts.items():
        balance_minor = 0
        history = sorted(histories[account_id])
        if [sequence for sequence, _, _ in history] != list(range(1, len(history) + 1)):
            yield f"I2: the history of {account_id} has gaps"
        for sequence, amount_minor, after_minor in history:
            balance_minor += amount_minor
            if balance_minor != after_minor:
                yield f"I2: entry {sequence} of {account_id} leaves another balance"
            if balance_minor < 0 and account_id != treasury:
                yield f"I7: entry {sequence} of {account_id} overdraws it"
        if balance_minor != account.balance_minor:
            yield f"I2: {account_id} has another balance than its entries"


def debits(evidence: Evidence) -> Iterator[str]:
    """One payer's payments move money in the order in which they were screened."""
    screened: dict[str, list[str]] = defaultdict(list)
    posting_of: dict[str, str] = {}
    for fact in evidence.first.values():
        if fact.topic == "payment.posted.v1":
            posting_of[fact.payment] = fact.body["posting_id"]
    for fact in evidence.first.values():
        if fact.topic == "payment.screened.v1" and fact.payment in posting_of:
            screened[fact.body["payer_account_id"]].append(posting_of[fact.payment])
    for account_id, expected in screened.items():
        entries = sorted(
            (sequence, str(entry.posting_id))
            for (owner, sequence), entry in evidence.world.ledger._entries.items()
            if str(owner) == account_id and entry.amount_minor < 0
        )
        if [posting_id for _, posting_id in entries] != expected:
            yield f"the payments of {account_id} were posted in another order"


def limits(evidence: Evidence) -> Iterator[str]:
    """Each payer's payments, counted again in the order in which they came."""
    tier = LIMITS.tiers["verified"]
    assert tier.velocity is not None
    numbers = Limits(
        payment=tier.payment_amount_minor_max["*"],
        daily=tier.daily_amount_minor_max["*"],
        count=tier.velocity.payments_max,
        window_s=tier.velocity.window_s,
    )
    payers: dict[str, Spending] = defaultdict(Spending)
    for fact in evidence.first.values():
        if fact.topic != "payment.resolved.v1":
            continue
        payer_id = fact.body["payer_account_id"]
        expected = None
        if payer_id != str(evidence.world.accounts[TREASURY]):
            at = datetime.fromisoformat(fact.body["accepted_at"])
            expected = payers[payer_id].refusal(fact.body["amount_minor"], at, numbers)
        refused = evidence.only(fact.payment, "payment.refused.v1")
        said = None
        if refused is not None and refused.step == "risk_screening":
            said = refused.body["code"]
        if said != expected:
            yield f"risk_screening said {said} of {fact.payment}, counted again it is {expected}"


def rebuilt(evidence: Evidence) -> Iterator[str]:
    """The house's own fold over the log, shuffled and doubled, gives the same rows."""
    facts = evidence.facts * 2
    Random(evidence.world.seed).shuffle(facts)
    rows: dict[UUID, PaymentRow] = {}
    topics = topic_map()
    for fact in facts:
        record = fact.record
        event: Any = decode(
            topics[record.topic].model,
            Position(record.topic, record.partition, record.offset),
            key=record.key,
            value=record.value,
            headers=record.headers,
        )
        payment_id = event.event.payment_id
        rows[payment_id] = fold(rows.get(payment_id), event.event, event.envelope.occurred_at)
    if rows != evidence.world.payments.rows:
        yield "I10: the read model is not the fold of the log"


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    *(postings, books, debits, limits, rebuilt),
)
