"""The read models, folded again from the bytes of the log by other code than theirs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from titan.chaos.evidence import Evidence, Fact, Fault

_OUTCOMES: Final = ("resolved", "screened", "posted", "refused", "conflicted")


def projection_faults(evidence: Evidence) -> Iterator[Fault]:
    """Payments, accounts and handles: nothing more, nothing less and nothing else."""
    yield from _payment_faults(evidence)
    names = ("client_id", "kind", "tier", "currency")
    opened = {
        UUID(fact.body["account_id"]): tuple(fact.body[name] for name in names)
        for fact in evidence.others
        if fact.name == "opened"
    }
    accounts = {
        row["account_id"]: tuple(row[name] for name in names) for row in evidence.tables["accounts"]
    }
    ledger = {row["account_id"] for row in evidence.tables["ledger_accounts"]}
    if accounts != opened or ledger != opened.keys():
        yield Fault(
            f"accounts differ from the log: {accounts.items() ^ opened.items()}", heals=True
        )
    handles = {
        row["handle"]: (row["version"], row["account_id"]) for row in evidence.tables["handles"]
    }
    for handle, account_id in evidence.history.accounts.items():
        if handles.get(handle, (0, None))[1] != account_id:
            yield Fault(f"{handle} named {account_id}, and does no more", heals=True)
    named = _named(evidence.others)
    if handles != named:
        yield Fault(f"handles differ from the log: {handles.items() ^ named.items()}", heals=True)


def _named(facts: Iterable[Fact]) -> dict[str, tuple[int, UUID | None]]:
    """Of each handle the highest version, and the account that it names."""
    named: dict[str, tuple[int, UUID | None]] = {}
    for fact in facts:
        if fact.name in {"claimed", "ported", "released"}:
            handle, version = fact.body["handle"], fact.body["version"]
            account = fact.body.get("account_id")
            if handle not in named or named[handle][0] < version:
                named[handle] = version, None if account is None else UUID(account)
    return named


def _payment_faults(evidence: Evidence) -> Iterator[Fault]:
    rows = {row["payment_id"]: row for row in evidence.tables["payments"]}
    for payment_id, facts in evidence.payments.items():
        row = rows.pop(payment_id, {})
        expected = _row(facts)
        found = {name: row.get(name) for name in expected}
        if found != expected:
            wrong = {n: (found[n], value) for n, value in expected.items() if found[n] != value}
            yield Fault(f"is projected otherwise (row, log): {wrong}", payment_id, heals=True)
    for payment_id in rows:
        yield Fault("is projected, and not in the log", payment_id, heals=True)


def _row(facts: list[Fact]) -> dict[str, Any]:
    by_name: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_name[fact.name].append(fact)
    ignored = {fact.body["fingerprint"] for fact in by_name["conflicted"]}
    asked = [fact for fact in by_name["requested"] if fact.body["fingerprint"] not in ignored]
    states = ["requested", *(name for name in _OUTCOMES[:-1] if by_name[name])]
    row: dict[str, Any] = {"state": states[-1], "requested_at": _first(asked)}
    row |= {f"{name}_at": _first(by_name[name]) for name in _OUTCOMES}
    for fact in asked:
        names = ("from_handle", "to_handle", "amount_minor", "currency", "fingerprint")
        row |= {name: fact.body[name] for name in names}
    accepted = [datetime.fromisoformat(fact.body["accepted_at"]) for fact in asked]
    row["accepted_at"] = min(accepted, default=None)
    for fact in by_name["resolved"]:
        row["payer_account_id"] = UUID(fact.body["payer_account_id"])
        row["payee_account_id"] = UUID(fact.body["payee_account_id"])
    for fact in by_name["posted"]:
        row["posting_id"] = UUID(fact.body["posting_id"])
    for fact in by_name["refused"]:
        row["refusal_code"] = fact.body["code"]
    return row


def _first(facts: list[Fact]) -> datetime | None:
    return min((fact.at for fact in facts), default=None)
