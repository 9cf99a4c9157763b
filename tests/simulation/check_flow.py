"""The checks of what was asked, what became of it, and in which order.

I3 one end each | I5 a no leaves nothing | I6 one body a key | I12 steps in order, none left out
I13 outcomes and log agree | I18 every dead letter is whole, and nothing else is one
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid5

from producers.payments.decide import Verdict
from tests.simulation.evidence import CAUSE_OF, STAGE_OF, Evidence, Fact

ENDS = ("payment.posted.v1", "payment.refused.v1")
MAYBE = {None, Verdict.UNKNOWN, Verdict.ACCEPTED, Verdict.REPLAYED}
"""Answers after which the request may be in the log."""


def requests(evidence: Evidence) -> Iterator[str]:
    """What clients were told is what the log says."""
    answers: dict[tuple[str, str], set[Verdict | None]] = defaultdict(set)
    for asked in evidence.world.clients.history:
        key = (str(asked.candidate.payment_id), asked.candidate.fingerprint)
        answers[key].update(asked.answers)
    bodies = _fingerprints(evidence, "payment.requested.v1")
    ignored = _fingerprints(evidence, "payment.conflicted.v1")
    for (payment, fingerprint), told in answers.items():
        is_in_log = fingerprint in bodies.get(payment, ())
        if is_in_log and not told & MAYBE:
            yield f"I5: {payment} {fingerprint[-4:]} was refused and is in the log"
        if not is_in_log and told & {Verdict.ACCEPTED, Verdict.REPLAYED}:
            yield f"P1: {payment} {fingerprint[-4:]} was accepted and is not in the log"
    for payment, fingerprints in bodies.items():
        if any((payment, each) not in answers for each in fingerprints):
            yield f"{payment} has a body that nobody asked for"
        if len(fingerprints - ignored[payment]) != 1:
            yield f"I6: {payment} has not one standing body: {fingerprints} {ignored[payment]}"


def _fingerprints(evidence: Evidence, topic: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for fact in evidence.facts:
        if fact.topic == topic:
            found[fact.payment].add(fact.body["fingerprint"])
    return found


def ends(evidence: Evidence) -> Iterator[str]:
    """Each payment of the log ends once, and each event is said in one way only."""
    for payment, topics in evidence.of_payment.items():
        count = sum(len(topics[topic]) for topic in ENDS)
        if count != 1:
            yield f"I3: {payment} has {count} ends"
        for topic in STAGE_OF.keys() - {"payment.conflicted.v1"}:
            if len(topics[topic]) > 1:
                yield f"I4: {payment} has {len(topics[topic])} events on {topic}"
    for fact in evidence.facts:
        first = evidence.first[fact.event_id]
        if fact.topic in STAGE_OF and fact.topic != "payment.conflicted.v1":
            said, before = fact.record, first.record
            if (said.value, said.key, said.partition) != (
                before.value,
                before.key,
                before.partition,
            ):
                yield f"I4: event {fact.event_id} says two things"


def causes(evidence: Evidence) -> Iterator[str]:
    """Every event of a stage was caused by an earlier one, of the topic that the stage reads."""
    for fact in evidence.first.values():
        if fact.topic not in STAGE_OF:
            continue
        if fact.step not in STAGE_OF[fact.topic]:
            yield f"{fact.event_id} on {fact.topic} is by {fact.step}"
            continue
        cause = evidence.first.get(fact.attributes.get("causation_id", ""))
        if cause is None or cause.topic != CAUSE_OF[fact.step]:
            yield f"I12: {fact.event_id} on {fact.topic} has no cause"
        elif cause.order > fact.order or cause.payment != fact.payment:
            yield f"I12: {fact.event_id} on {fact.topic} came before its cause"


def order(evidence: Evidence) -> Iterator[str]:
    """Per key, payments leave each stage in the order in which they came to it."""
    for source, target in (
        ("payment.resolved.v1", "payment.screened.v1"),
        ("payment.screened.v1", "payment.posted.v1"),
    ):
        came = _by_key(evidence, source)
        for key, left in _by_key(evidence, target).items():
            if [payment for payment in came.get(key, []) if payment in set(left)] != left:
                yield f"the payments of {key} changed their order on the way to {target}"


def _by_key(evidence: Evidence, topic: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for fact in evidence.first.values():
        if fact.topic == topic:
            found[(fact.record.key or b"").decode()].append(fact.payment)
    return found


def details(evidence: Evidence) -> Iterator[str]:
    """What was resolved is what the standing body asked for, between accounts its handles named."""
    past = evidence.world.directory.past
    for payment in evidence.of_payment:
        resolved = evidence.only(payment, "payment.resolved.v1")
        if resolved is None:
            continue
        requested = evidence.first[resolved.attributes["causation_id"]].body
        body = resolved.body
        for side in ("from", "to"):
            entry = past[requested[f"{side}_handle"], body[f"{side}_handle_version"]]
            account_id = body["payer_account_id" if side == "from" else "payee_account_id"]
            if entry.target is None or str(entry.target.account_id) != account_id:
                yield f"{payment} was resolved to an account that {entry.handle} did not name"
        for later in ("payment.screened.v1", "payment.posted.v1"):
            fact = evidence.only(payment, later)
            if fact is not None and _money(fact) != _money(resolved):
                yield f"{payment} changed between payment.resolved.v1 and {later}"
        if (body["amount_minor"], body["currency"]) != (
            requested["amount_minor"],
            requested["currency"],
        ):
            yield f"{payment} was resolved to another amount"


def _money(fact: Fact) -> tuple[Any, ...]:
    names = ("payer_account_id", "payee_account_id", "amount_minor", "currency")
    return tuple(fact.body[name] for name in names)


def inbox(evidence: Evidence) -> Iterator[str]:
    """Every stored outcome is in the log, and no stage said what it had not stored."""
    stored_ids: set[str] = set()
    for step, table in evidence.world.inboxes.items():
        for (_, idempotency_id), stored in table.rows.items():
            if stored.outcome_topic is None:
                continue
            outcome_id = str(uuid5(idempotency_id, step))
            stored_ids.add(outcome_id)
            fact = evidence.first.get(outcome_id)
            if fact is None or fact.topic != stored.outcome_topic:
                yield f"I13: the outcome {outcome_id} of {step} is not in the log"
            elif (fact.record.value or b"").decode() != (stored.outcome or ""):
                yield f"I13: the outcome {outcome_id} of {step} is otherwise in the log"
    for fact in evidence.first.values():
        is_outcome = fact.topic in STAGE_OF and fact.topic != "payment.conflicted.v1"
        if is_outcome and fact.event_id not in stored_ids:
            yield f"I13: {fact.event_id} on {fact.topic} was never stored"


def letters(evidence: Evidence) -> Iterator[str]:
    """Each group has a dead letter of every garbage on its topics, and of nothing else."""
    world = evidence.world
    expected = {
        (group.name, each.topic, each.partition, each.offset): each
        for group in world.broker.groups.values()
        for each in world.mishaps.garbage
        if any(place.topic == each.topic for place in group.places)
    }
    for story in expected.keys() - world.broker.letters:
        yield f"I18: no dead letter of {story}"
    for story in world.broker.letters - expected.keys():
        yield f"I18: {story} is a dead letter and was no garbage"
    for record in world.broker.history:
        if not record.topic.endswith(".dlq"):
            continue
        told = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        garbage = expected.get(
            (
                told["x-consumer-group"],
                told["x-original-topic"],
                int(told["x-original-partition"]),
                int(told["x-original-offset"]),
            )
        )
        if garbage is None or garbage.is_unreadable:
            continue
        if record.value != (garbage.value or b""):
            yield f"I18: a dead letter of {garbage} has other bytes"


def projection(evidence: Evidence) -> Iterator[str]:
    """The read model says of each payment what the log says, and knows no other."""
    rows = evidence.world.payments.rows
    if {str(payment_id) for payment_id in rows} != evidence.of_payment.keys():
        yield "I10: the projection has other payments than the log"
        return
    for payment in evidence.of_payment:
        row = rows[UUID(payment)]
        for name in ("resolved", "screened", "posted", "refused"):
            is_said = evidence.only(payment, f"payment.{name}.v1") is not None
            if is_said != (getattr(row, f"{name}_at") is not None):
                yield f"I10: the projection of {payment} is wrong about {name}"
        refused = evidence.only(payment, "payment.refused.v1")
        if row.refusal_code != (None if refused is None else refused.body["code"]):
            yield f"I10: the projection of {payment} has another refusal"


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    *(requests, ends, causes, order, details, inbox, letters, projection),
)
