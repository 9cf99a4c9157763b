"""The ledger added up by the server itself, beside the proof's own joins of its rows."""

from typing import Final

from proof import queries
from proof.findings import Check, Findings
from proof.limits import SUM_S_MAX
from runtime.database import Connection

SUMS: Final = 4
"""Statements that `add_up` runs."""


async def add_up(connection: Connection, findings: Findings) -> dict[str, str]:
    """Let the server add up its ledger; by currency, what was credited in all (minor units)."""
    credited: dict[str, str] = {}
    sums = await connection.fetch(queries.CURRENCY_SUMS, timeout=SUM_S_MAX)
    for currency, moved, credits_minor, balances, entries in sums:
        findings.looked(Check.CURRENCIES_BALANCE, entries)
        if currency is None:
            findings.fault(Check.CURRENCIES_BALANCE, "there are entries on accounts that are none")
            continue
        credited[currency] = credits_minor
        if moved != "0":
            findings.fault(Check.CURRENCIES_BALANCE, f"the entries in {currency} sum to {moved}")
        if balances != "0":
            findings.fault(
                Check.CURRENCIES_BALANCE, f"the balances in {currency} sum to {balances}"
            )
    wrong = await connection.fetch(queries.WRONG_BALANCES, timeout=SUM_S_MAX)
    for account_id, balance, moved in wrong:
        findings.fault(
            Check.BALANCES,
            f"account {account_id} stands at {balance}, and its entries come to {moved}, "
            "or they are not as many as it says",
            account=account_id.bytes,
        )
    await _holds(connection, findings)
    return credited


async def _holds(connection: Connection, findings: Findings) -> None:
    count = await connection.fetchval(queries.ACCOUNT_COUNT, timeout=SUM_S_MAX)
    findings.looked(Check.MINIMUMS, count)
    wrong = await connection.fetch(queries.WRONG_HOLDS, timeout=SUM_S_MAX)
    for account_id, balance, held, minimum, holds in wrong:
        findings.fault(
            Check.MINIMUMS,
            f"account {account_id}: balance {balance}, held {held}, minimum {minimum}; its open "
            f"holds come to {holds}",
            account=account_id.bytes,
        )
    captures = await connection.fetch(queries.WRONG_CAPTURES, timeout=SUM_S_MAX)
    for hold_id, posting_id in captures:
        findings.fault(
            Check.MINIMUMS,
            f"hold {hold_id} was captured by {posting_id}, which does not say so",
            posting=posting_id.bytes,
        )
