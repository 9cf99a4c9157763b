"""Webhooks and notifications: told of every event at least once, under one id, and of no other.

Rows, and what was heard, are read after the log: too much may be ahead of it, and heals.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from runtime.clock import SystemClock
from titan.chaos.evidence import Evidence, Fact, Fault
from titan.chaos.receiver import Told
from titan.chaos.told import Heard

_REQUESTED: Final = "requested"
_TOLD: Final = frozenset({_REQUESTED, "posted", "refused", "conflicted"})
"""A payment's events that clients are told."""
_REFUSED: Final = "payment-refused"
_TRIES_MIN: Final = 8
_MARGIN_S: Final = 1.0
_CLOCK: Final = SystemClock()


def webhook_faults(evidence: Evidence) -> Iterator[Fault]:
    """Each event and endpoint: heard and answered well, or given up, under the id of both."""
    rows = {(str(row["endpoint_id"]), row["delivery_id"]): row for row in _deliveries(evidence)}
    by_endpoint: dict[str, dict[str, list[Heard]]] = defaultdict(lambda: defaultdict(list))
    for heard in evidence.hearing.heard:
        if heard.endpoint_id is None or not heard.is_signed:
            yield Fault(f"{heard} is not signed by an endpoint's secret")
        else:
            by_endpoint[heard.endpoint_id][heard.message_id].append(heard)
    for endpoint in evidence.hearing.endpoints:
        heard_by_id = by_endpoint[endpoint.endpoint_id]
        for payment_id, facts in evidence.payments.items():
            told = {fact.event_id: fact for fact in facts if fact.name in _TOLD}
            if any(_is_owed(fact, endpoint) for fact in told.values()):
                yield from _payment(payment_id, told, endpoint, heard_by_id, rows)
        for message_id, heards in heard_by_id.items():
            what = f"{message_id} at {endpoint.endpoint_id} is of no event: {heards[0]}"
            yield Fault(what, heals=True)
    for (endpoint_id, delivery_id), row in rows.items():
        what = f"delivery {delivery_id} to {endpoint_id} is of no event: {dict(row)}"
        yield Fault(what, heals=True)


def _deliveries(evidence: Evidence) -> list[Any]:
    return evidence.tables["webhook_deliveries"] if evidence.hearing.endpoints else []


def _is_owed(fact: Fact, endpoint: Told) -> bool:
    """Names without a version and begins are all that the endpoints use."""
    event_type = fact.place[0]
    wants = any(
        event_type.startswith(each[:-1])
        if each.endswith("*")
        else event_type in {each, f"{each}.v1"}
        for each in endpoint.event_types
    )
    return wants and fact.at.timestamp() >= endpoint.made_at_s - _MARGIN_S


def _payment(
    payment_id: UUID,
    told: dict[str, Fact],
    endpoint: Told,
    heard_by_id: dict[str, list[Heard]],
    rows: dict[tuple[str, UUID], Any],
) -> Iterator[Fault]:
    now = _CLOCK.now()
    turns: dict[str, list[Heard]] = defaultdict(list)
    for event_id, fact in told.items():
        delivery_id = uuid5(UUID(event_id), endpoint.endpoint_id)
        heards = heard_by_id.pop(str(delivery_id), [])
        row = rows.pop((endpoint.endpoint_id, delivery_id), None)
        if not _is_owed(fact, endpoint):
            continue
        for heard in heards:
            if (heard.event_id, heard.event_type, heard.subject) != (
                *(event_id, fact.place[0], str(payment_id)),
            ):
                yield Fault(f"{heard} says other things than {fact.place}", payment_id)
        turns[fact.name] += heards
        if row is not None:
            yield from _state(payment_id, row, heards, now)
        elif heards or fact.at.timestamp() >= endpoint.made_at_s + _MARGIN_S:
            yield Fault(f"{fact.name} was not planned for {endpoint}", payment_id, heals=True)
    if endpoint.is_ordered and _REQUESTED in turns:
        yield from _order(payment_id, turns)


def _state(
    payment_id: UUID,
    row: Any,  # noqa: ANN401 - a row as the driver has it
    heards: list[Heard],
    now: datetime,
) -> Iterator[Fault]:
    """What a delivery says of itself is what was heard."""
    if row["state"] == "delivered":
        if not any(heard.is_taken for heard in heards):
            yield Fault(f"{dict(row)} is said to be delivered, and was not", payment_id)
    elif row["state"] == "dead":
        if row["tries"] < _TRIES_MIN:
            yield Fault(f"{dict(row)} was given up early", payment_id)
    elif not _waits_rightly(row, now):
        yield Fault(f"{dict(row)} was not told in time", payment_id, heals=True)


def _waits_rightly(row: Any, now: datetime) -> bool:  # noqa: ANN401 - a row as the driver has it
    """Whether it has failed so often that its schedule lets it wait; or waits behind such a one."""
    if row["state"] == "waiting":
        return bool(now - row["created_at"] < timedelta(minutes=10))
    return bool(row["tries"] > 1 and row["due_at"] > now)


def _order(payment_id: UUID, turns: dict[str, list[Heard]]) -> Iterator[Fault]:
    """Nothing is heard of a payment before its request was taken."""
    taken = min((each.number for each in turns[_REQUESTED] if each.is_taken), default=None)
    for name, heards in turns.items():
        first = min((each.number for each in heards), default=None)
        if name != _REQUESTED and first is not None and (taken is None or first < taken):
            yield Fault(f"{name} was told before the request was", payment_id)


def notification_faults(evidence: Evidence) -> Iterator[Fault]:
    """Of each payment that ended, each account's holder is told once; summaries are counted."""
    wallets = {row["account_id"] for row in evidence.tables["accounts"] if row["kind"] == "wallet"}
    owed, refused = _owed(evidence)
    stand: Counter[tuple[str, UUID]] = Counter()
    told_refused = 0
    for row in evidence.tables["notifications"]:
        if row["subject"] == _REFUSED:
            told_refused += row["count"]
        else:
            stand[row["subject"], row["account_id"]] += row["count"]
    for key in owed.keys() | stand.keys():
        found, wanted = stand[key], owed[key] if key[1] in wallets else 0
        if found != wanted:
            yield Fault(f"{found} notifications {key}, of {wanted} payments", heals=True)
    if told_refused != refused:
        yield Fault(f"{told_refused} notifications of {refused} refusals", heals=True)


def _owed(evidence: Evidence) -> tuple[Counter[tuple[str, UUID]], int]:
    """By subject and account, and how many refusals somebody is told of."""
    owed: Counter[tuple[str, UUID]] = Counter()
    refused = 0
    for facts in evidence.payments.values():
        for fact in {fact.event_id: fact for fact in facts}.values():
            if fact.name == "posted":
                owed["payment-sent", UUID(fact.body["payer_account_id"])] += 1
                owed["payment-received", UUID(fact.body["payee_account_id"])] += 1
            elif fact.name == "refused" and fact.body["code"] != "unknown_payer":
                refused += 1
    return owed, refused
