"""What clients were promised, and what the log says came of it."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from titan.chaos.evidence import Evidence, Fact, Fault
from titan.chaos.history import CURRENCY, Intent

FINAL: Final = frozenset({"posted", "refused"})
FINAL_S_MAX: Final = 60.0
"""An accepted payment has ended within so long, whatever happens."""

# Of a request that is repeated, because these are said anew each time.
_SAID_ANEW: Final = frozenset({"accepted_at", "description_sealed", "is_key_unproven"})
_REPEATABLE: Final = frozenset({"requested", "conflicted"})


def flow_faults(evidence: Evidence) -> Iterator[Fault]:
    """Each key one payment, each accepted payment one end, each step one event."""
    for surprise in evidence.history.surprises:
        yield Fault(f"a client was answered {surprise}")
    yield from _key_faults(evidence)
    by_id: dict[UUID, list[Intent]] = defaultdict(list)
    for intent in evidence.history.intents:
        if intent.payment_id is not None:
            by_id[intent.payment_id].append(intent)
    for payment_id, intents in by_id.items():
        yield from _promise_faults(evidence, payment_id, intents)
    if not any(intent.is_abandoned for intent in evidence.history.intents):
        for payment_id in evidence.payments.keys() - by_id.keys():
            yield Fault("nobody was told of this payment", payment_id)
    yield from _event_faults(evidence)


def _key_faults(evidence: Evidence) -> Iterator[Fault]:
    ids: dict[str, set[UUID]] = defaultdict(set)
    keys: dict[UUID, set[str]] = defaultdict(set)
    for intent in evidence.history.intents:
        if not intent.is_answered and not intent.is_abandoned:
            yield Fault(f"{intent.key} was never answered: {intent.notes}")
        if intent.payment_id is not None and intent.refused_as is not None:
            yield Fault(f"{intent.key} was accepted and refused: {intent.notes}", intent.payment_id)
        if intent.payment_id is not None:
            ids[intent.key].add(intent.payment_id)
            keys[intent.payment_id].add(intent.key)
    for key, named in ids.items():
        if len(named) > 1:
            yield Fault(f"key {key} named {named}", min(named))
    for payment_id, used in keys.items():
        if len(used) > 1:
            yield Fault(f"{used} named one payment", payment_id)


def _promise_faults(evidence: Evidence, payment_id: UUID, intents: list[Intent]) -> Iterator[Fault]:
    facts = evidence.payments.get(payment_id, [])
    bodies = [_asked(fact.body) for fact in facts if fact.name == "requested"]
    if not bodies:
        yield Fault("was accepted, and is not in the log", payment_id)
    for body in bodies:
        if body not in [_wanted(intent) for intent in intents]:
            yield Fault(f"nobody asked for {body}", payment_id)
    ends = [fact for fact in facts if fact.name in FINAL]
    if not ends:
        yield Fault("has not ended", payment_id, heals=True)
        return
    if len({fact.event_id for fact in ends}) > 1:
        yield Fault("has ended twice", payment_id)
    accepted_s = min(intent.accepted_at_s or 0 for intent in intents)
    took_s = min(fact.appended_at_ms for fact in ends) / 1000 - accepted_s
    if took_s > FINAL_S_MAX:
        yield Fault(f"took {took_s:.1f} s to end", payment_id)
    for end in ends:
        if end.name == "posted" and _moved(end) not in [
            _moves(intent, evidence.history.accounts) for intent in intents
        ]:
            yield Fault(f"moved other money than was asked for: {end.body}", payment_id)


def _event_faults(evidence: Evidence) -> Iterator[Fault]:
    """One event per payment and step, under an id that nothing else has."""
    said: dict[str, tuple[str, Any]] = {}
    for payment_id, facts in evidence.payments.items():
        steps: dict[str, set[str]] = defaultdict(set)
        for fact in facts:
            body = fact.body
            if fact.name in _REPEATABLE:
                body = {name: value for name, value in body.items() if name not in _SAID_ANEW}
            else:
                steps[fact.source].add(fact.event_id)
            if said.setdefault(fact.event_id, (fact.name, body)) != (fact.name, body):
                yield Fault(f"{fact.event_id} says two things", payment_id)
        for step, ids in steps.items():
            if len(ids) > 1:
                yield Fault(f"{step} said {len(ids)} things", payment_id)


def _asked(body: dict[str, Any]) -> tuple[Any, ...]:
    return (
        body["from_handle"],
        body["to_handle"],
        body["amount_minor"],
        body["currency"],
        body["payment_type"],
    )


def _wanted(intent: Intent) -> tuple[Any, ...]:
    body = intent.body
    return (
        body["from_handle"],
        body["to_handle"],
        body["amount"],
        body["currency"],
        body["payment_type"],
    )


def _moved(end: Fact) -> tuple[Any, ...]:
    return (
        UUID(end.body["payer_account_id"]),
        UUID(end.body["payee_account_id"]),
        end.body["amount_minor"],
        end.body["currency"],
    )


def _moves(intent: Intent, accounts: dict[str, UUID]) -> tuple[Any, ...]:
    return (
        accounts.get(intent.payer),
        accounts.get(intent.payee),
        intent.amount_minor,
        CURRENCY,
    )
