"""The check of the storms can fail: each fault that it looks for is planted once."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from tests.support.memory_stage import NOW, ROOT
from titan.chaos.books import CHECKS, report
from titan.chaos.evidence import Evidence, Fault
from titan.chaos.garbage import Garbage
from titan.chaos.history import History
from titan.chaos.raw_log import Record

ALICE, BOB, OTHER = (uuid5(ROOT, name) for name in ("alice", "bob", "other"))
POSTED, REFUSED, POSTING = (uuid5(ROOT, name) for name in ("posted", "refused", "posting"))
OPENED = {"client_id": "demo", "kind": "system", "tier": "system", "currency": "USD"}
NAMED = [
    {"handle": handle, "version": 1, "account_id": account_id}
    for handle, account_id in (("alice", ALICE), ("bob", BOB))
]
AMOUNTS = {POSTED: 100, REFUSED: 5}
PAYEES = {POSTED: "bob", REFUSED: "nobody"}

GARBAGE = Garbage("noise", "payment.refused.v1", 3, 9, b"k", b"\xff", [("ce_id", None)])
STORY = {
    "ce_id": "",
    "x-original-topic": "payment.refused.v1",
    "x-original-partition": "3",
    "x-original-offset": "9",
    "x-error-kind": "invalid",
    "x-error-code": "wrong_type",
    "x-consumer-group": "payment-projection",
}


def letter(value: bytes | None = GARBAGE.value, **story: str) -> Record:
    told = STORY | {f"x-{name.replace('_', '-')}": text for name, text in story.items()}
    headers = tuple((name, text.encode()) for name, text in told.items())
    topic = "payment.refused.v1.payment-projection.dlq"
    return Record(topic, 3, 0, 0, GARBAGE.key, value, headers)


def letter_of(group: str) -> Record:
    """The same of another group that met it."""
    kept = letter(consumer_group=group)
    return kept._replace(topic=f"payment.refused.v1.{group}.dlq")


def said(name: str, source: str, body: dict[str, Any], event_id: str = "") -> Record:
    """An event as it lies in the log."""
    written = json.dumps(body, default=str)
    headers = {
        "ce_id": event_id or str(uuid5(ROOT, name + written)),
        "ce_source": source,
        "ce_time": NOW.isoformat(),
    }
    at_ms = int(NOW.timestamp() * 1000)
    encoded = tuple((each, text.encode()) for each, text in headers.items())
    return Record(f"{name}.v1", 0, 0, at_ms, b"key", written.encode(), encoded)


def requested(payment_id: UUID, **changed: Any) -> Record:
    body = {
        "payment_id": payment_id,
        "accepted_at": NOW.isoformat(),
        "from_handle": "alice",
        "to_handle": PAYEES[payment_id],
        "amount_minor": AMOUNTS[payment_id],
        "currency": "USD",
        "payment_type": "WALLET",
        "fingerprint": "f",
    }
    return said("payment.requested", "edge", body | changed)


def posted(event_id: str = "", **changed: Any) -> Record:
    body = {
        "payment_id": POSTED,
        "posting_id": POSTING,
        "payer_account_id": ALICE,
        "payee_account_id": BOB,
        "amount_minor": 100,
        "currency": "USD",
    }
    return said("payment.posted", "ledger", body | changed, event_id)


def refused(payment_id: UUID = REFUSED) -> Record:
    body = {"payment_id": payment_id, "code": "unknown_payee"}
    return said("payment.refused", "resolution", body)


def row(payment_id: UUID, **outcome: Any) -> dict[str, Any]:
    return {
        "payment_id": payment_id,
        "accepted_at": NOW,
        "requested_at": NOW,
        "from_handle": "alice",
        "to_handle": PAYEES[payment_id],
        "amount_minor": AMOUNTS[payment_id],
        "currency": "USD",
        "fingerprint": "f",
        **outcome,
    }


def entry(account_id: UUID, amount_minor: int) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "sequence": 1,
        "posting_id": POSTING,
        "amount_minor": amount_minor,
        "balance_after_minor": amount_minor,
    }


def account(account_id: UUID, balance_minor: int, minimum_minor: int) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "minimum_minor": minimum_minor,
        "balance_minor": balance_minor,
        "entry_count": 1,
        "currency": "USD",
    }


def sound() -> Evidence:
    """A payment that was posted, one that was refused, and one piece of garbage."""
    evidence = Evidence(History(1), {GARBAGE.place: GARBAGE})
    evidence.history.know("alice", ALICE)
    evidence.history.know("bob", BOB)
    for payment_id in (POSTED, REFUSED):
        payee, amount_minor = PAYEES[payment_id], AMOUNTS[payment_id]
        intent = evidence.history.intend("alice", payee, amount_minor)
        evidence.history.accept(intent, payment_id)
        intent.accepted_at_s = NOW.timestamp()
    evidence.add(
        [
            *(said("account.opened", "o", OPENED | {"account_id": each}) for each in (ALICE, BOB)),
            *(said("handle.claimed", "directory", each) for each in NAMED),
            *(requested(POSTED), posted(), requested(REFUSED), refused()),
            letter(),
            *(letter_of(each) for each in ("event-feed", "notifications", "webhooks")),
        ]
    )
    evidence.tables = {
        "entries": [entry(ALICE, -100), entry(BOB, 100)],
        "postings": [{"posting_id": POSTING, "currency": "USD"}],
        "ledger_accounts": [account(ALICE, -100, -1000), account(BOB, 100, 0)],
        "accounts": [OPENED | {"account_id": each} for each in (ALICE, BOB)],
        "handles": [dict(each) for each in NAMED],
        "payments": [
            row(POSTED, state="posted", posted_at=NOW, posting_id=POSTING),
            row(REFUSED, state="refused", refused_at=NOW, refusal_code="unknown_payee"),
        ],
        # Both accounts are the house's own, of which nobody is told but that they could not pay.
        "notifications": [{"subject": "payment-refused", "account_id": ALICE, "count": 1}],
        "webhook_deliveries": [],
    }
    return evidence


def faults(evidence: Evidence) -> list[str]:
    return [fault.what for check in CHECKS for fault in check(evidence)]


def test_what_is_sound_has_no_fault() -> None:
    assert faults(sound()) == []


def adds(*records: Record) -> Callable[[Evidence], None]:
    return lambda evidence: evidence.add(records)


def lacks(payment_id: UUID, name: str) -> Callable[[Evidence], None]:
    def spoil(evidence: Evidence) -> None:
        facts = evidence.payments[payment_id]
        evidence.payments[payment_id] = [fact for fact in facts if fact.name != name]

    return spoil


def sets(table: str, number: int, **changed: Any) -> Callable[[Evidence], None]:
    return lambda evidence: evidence.tables[table][number].update(changed)


def drops(table: str) -> Callable[[Evidence], None]:
    return lambda evidence: evidence.tables[table].clear()


def letters(*records: Record) -> Callable[[Evidence], None]:
    return lambda evidence: setattr(evidence, "letters", list(records))


def intents(**changed: Any) -> Callable[[Evidence], None]:
    def spoil(evidence: Evidence) -> None:
        for name, value in changed.items():
            setattr(evidence.history.intents[0], name, value)

    return spoil


def other_names(evidence: Evidence) -> None:
    evidence.history.know("alice", OTHER)


def other_key(evidence: Evidence) -> None:
    for intent in evidence.history.intents:
        intent.key = "other"


PLANTED: list[tuple[str, Callable[[Evidence], None]]] = [
    ("was answered 500", lambda evidence: evidence.history.surprises.append("500")),
    ("was never answered", intents(payment_id=None)),
    ("nobody was told of this payment", intents(payment_id=None, refused_as="422")),
    ("was accepted and refused", intents(refused_as="422")),
    ("named one payment", intents(payment_id=REFUSED)),
    ("key other named", other_key),
    ("is not in the log", lacks(POSTED, "requested")),
    ("nobody asked for", adds(requested(POSTED, amount_minor=99))),
    ("has not ended", lacks(POSTED, "posted")),
    ("has ended twice", adds(refused(POSTED))),
    ("took 61.0 s to end", intents(accepted_at_s=NOW.timestamp() - 61)),
    ("moved other money", adds(posted(amount_minor=99))),
    ("ledger said 2 things", adds(posted(event_id="another"))),
    ("says two things", adds(posted(event_id="one"), posted(event_id="one", currency="EUR"))),
    ("does not add up", sets("entries", 1, balance_after_minor=99)),
    ("does not add up", sets("entries", 1, sequence=2)),
    ("has 100 and says 99", sets("ledger_accounts", 1, balance_minor=99)),
    ("sum to -1", sets("ledger_accounts", 1, balance_minor=99)),
    ("below its minimum", sets("ledger_accounts", 0, minimum_minor=0)),
    ("which is no account", sets("entries", 0, account_id=OTHER)),
    ("which is no posting", drops("postings")),
    ("said to be", sets("entries", 1, amount_minor=99)),
    ("was never told", sets("postings", 0, posting_id=OTHER)),
    ("shares posting", adds(posted(payment_id=REFUSED))),
    ("is projected otherwise", sets("payments", 0, state="screened")),
    ("is projected otherwise", sets("payments", 0, posted_at=NOW + timedelta(seconds=1))),
    ("is projected otherwise", drops("payments")),
    ("not in the log", sets("payments", 0, payment_id=OTHER)),
    ("accounts differ", sets("accounts", 0, tier="business")),
    ("accounts differ", drops("accounts")),
    ("handles differ", sets("handles", 0, version=2)),
    ("and does no more", other_names),
    ("and does no more", drops("handles")),
    ("is not in payment.refused.v1.payment-projection.dlq", letters()),
    ("a good record was set aside", letters(letter(), letter(original_offset="8"))),
    ("different letters", letters(letter(), letter(error_code="invalid_event"))),
    ("its value is", letters(letter(b"other"))),
    (
        "its headers ['ce_id'] are others",
        letters(letter()._replace(headers=(("ce_id", b"x"), *letter().headers[1:]))),
    ),
    ("it does not say why", letters(letter(error_code=""))),
    ("it lies on", letters(letter(consumer_group="ledger-posting"))),
    ("does not tell a tombstone", letters(letter(original_tombstone="true"))),
]


@pytest.mark.parametrize(
    ("told", "plant"),
    PLANTED,
    ids=[f"{number} {told}" for number, (told, _) in enumerate(PLANTED)],
)
def test_a_planted_fault_is_told(told: str, plant: Callable[[Evidence], None]) -> None:
    evidence = sound()
    plant(evidence)
    assert [fault for fault in faults(evidence) if told in fault]


def test_a_repeat_that_says_the_same_is_no_fault() -> None:
    evidence = sound()
    evidence.add([requested(POSTED, accepted_at=(NOW + timedelta(1)).isoformat()), posted()])
    evidence.add([refused(), letter()])
    assert faults(evidence) == []


def test_the_gravest_fault_is_told_first_with_all_that_is_known_of_its_payment() -> None:
    late, wrong = Fault("is late", REFUSED, heals=True), Fault("is wrong", POSTED)

    told = report(sound(), [late, wrong])

    assert told.startswith(f"{POSTED} is wrong")
    for word in ("wants to pay bob 100", "payment.posted.v1", "entries", "postings", "payments"):
        assert word in told
    assert told.endswith(f"{REFUSED} is late")
