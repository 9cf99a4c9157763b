"""Double entry, added up again from the rows; and held against what the log says was posted."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from titan.chaos.evidence import Evidence, Fault


def ledger_faults(evidence: Evidence) -> Iterator[Fault]:
    """Money is conserved, and each posted event is one posting."""
    yield from _sum_faults(evidence)
    yield from _posting_faults(evidence)


def _sum_faults(evidence: Evidence) -> Iterator[Fault]:
    totals: Counter[str] = Counter()
    histories: dict[UUID, list[Any]] = defaultdict(list)
    for entry in evidence.tables["entries"]:
        histories[entry["account_id"]].append(entry)
    for account in evidence.tables["ledger_accounts"]:
        account_id, balance_minor = account["account_id"], account["balance_minor"]
        history = histories.pop(account_id, [])
        totals[account["currency"]] += balance_minor
        running_minor = 0
        for sequence, entry in enumerate(history, 1):
            running_minor += entry["amount_minor"]
            if (entry["sequence"], entry["balance_after_minor"]) != (sequence, running_minor):
                yield Fault(f"account {account_id} does not add up at {entry}")
        if (balance_minor, account["entry_count"]) != (running_minor, len(history)):
            yield Fault(f"account {account_id} has {running_minor} and says {balance_minor}")
        if balance_minor < account["minimum_minor"]:
            yield Fault(f"account {account_id} is at {balance_minor}, below its minimum")
    for account_id in histories:
        yield Fault(f"entries of {account_id}, which is no account")
    for currency, total_minor in totals.items():
        if total_minor != 0:
            yield Fault(f"the balances in {currency} sum to {total_minor}")


def _posting_faults(evidence: Evidence) -> Iterator[Fault]:
    entries: dict[UUID, list[tuple[UUID, int]]] = defaultdict(list)
    for entry in evidence.tables["entries"]:
        entries[entry["posting_id"]].append((entry["account_id"], entry["amount_minor"]))
    postings = {row["posting_id"] for row in evidence.tables["postings"]}
    claimed: dict[UUID, UUID] = {}
    for payment_id, facts in evidence.payments.items():
        for body in (fact.body for fact in facts if fact.name == "posted"):
            posting_id = UUID(body["posting_id"])
            if claimed.setdefault(posting_id, payment_id) != payment_id:
                yield Fault(f"shares posting {posting_id} with {claimed[posting_id]}", payment_id)
            moved = [
                (UUID(body["payer_account_id"]), -body["amount_minor"]),
                (UUID(body["payee_account_id"]), body["amount_minor"]),
            ]
            if posting_id not in postings or sorted(entries[posting_id]) != sorted(moved):
                yield Fault(
                    f"posting {posting_id} is {entries[posting_id]}, said to be {moved}", payment_id
                )
    for posting_id in postings - claimed.keys():
        yield Fault(f"posting {posting_id} was never told: {entries[posting_id]}", heals=True)
    for posting_id in entries.keys() - postings:
        yield Fault(f"entries of {posting_id}, which is no posting")
