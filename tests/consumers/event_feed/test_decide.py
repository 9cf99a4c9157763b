"""Whatever the order in which topics are read: each event once, to its owner, none too early."""

import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from consumers.event_feed.decide import Subject, Told, begun_on, take_in
from schemas.event import Event
from schemas.payment import PaymentRequested
from schemas.public import PUBLIC_TYPES
from tests.support.public_events import (
    delivered,
    disabled,
    frozen,
    payment,
    public_ids,
    refused_account,
    released,
)

LIVES: list[tuple[str, list[Event]]] = [
    ("alice", payment("alice")),
    ("bob", payment("bob", outcome="refused")),
    ("alice", payment("alice", outcome="conflicted")),
    ("bob", refused_account("bob")),
    ("alice", released("alice")),
    ("bob", frozen("bob")),
    ("alice", disabled("alice")),
]
EVENTS = [event for _, events in LIVES for event in events]


def deliver(known: dict[UUID, Subject], batch: list[Event]) -> list[Told]:
    items = [delivered(event) for event in batch]
    found = {subject: known.get(subject, Subject(subject)) for subject in begun_on(items)}
    subjects, told = take_in(found, items)
    known.update((each.subject, each) for each in subjects)
    return told


@given(
    early=st.lists(st.lists(st.sampled_from(EVENTS), max_size=6), max_size=6),
    rest=st.permutations(EVENTS),
    cut=st.integers(0, len(EVENTS)),
)
def test_any_order_repetition_and_split_tells_each_event_once_and_to_its_owner(
    early: list[list[Event]], rest: list[Event], cut: int
) -> None:
    known: dict[UUID, Subject] = {}

    told = [each for batch in (*early, rest[:cut], rest[cut:]) for each in deliver(known, batch)]

    for client_id in ("alice", "bob"):
        mine = [str(each.event.event_id) for each in told if each.client_id == client_id]
        expected = [id_ for owner, life in LIVES if owner == client_id for id_ in public_ids(life)]
        assert sorted(mine) == sorted(expected)
    assert not any(subject.waiting for subject in known.values())


@given(rest=st.permutations(EVENTS))
def test_an_outcome_is_never_told_before_its_request(rest: list[Event]) -> None:
    known: dict[UUID, Subject] = {}

    told = [each.event for event in rest for each in deliver(known, [event])]

    for number, event in enumerate(told):
        if event.type.startswith("payment.") and event.type != PaymentRequested.TOPIC:
            before = [each.type for each in told[:number] if each.subject == event.subject]
            assert PaymentRequested.TOPIC in before


def test_what_is_told_says_nothing_of_what_stays_inside() -> None:
    for event in EVENTS:
        for told in deliver({}, [*refused_account("alice"), *payment("alice"), event]):
            document = json.loads(told.event.document)
            assert document["type"] in PUBLIC_TYPES
            assert set(document) == {"id", "type", "occurred_at", "subject", "data"}
            assert not {name for name in document["data"] if "sealed" in name or "client" in name}
            # Why an account was frozen must not be told to those whom it is about.
            assert "suspected_fraud" not in told.event.document


def test_of_whom_nobody_says_whose_it_is_nobody_is_told() -> None:
    assert deliver({}, frozen(None)) == []
