"""Open accounts in the ledger and make them known.

account.opening-requested -> account.opened | account.opening-refused
"""

from collections.abc import Sequence

from consumers.account_opening.decide import Outcome, decide_batch, opening_of
from consumers.account_opening.ports import Accounts
from ledger_adapter.ports import Ledger
from runtime.unit import Unit
from schemas.account import AccountOpeningRequested
from schemas.event import Delivered


async def on_openings_requested(
    fresh: Sequence[Delivered[AccountOpeningRequested]],
    unit: Unit,
    *,
    accounts: Accounts,
    ledger: Ledger,
) -> Sequence[Outcome]:
    """Open a batch of accounts, empty.

    The profiles are written before the ledger is asked: of two units that open one id with other
    properties the later then waits here and reads the winner, instead of contradicting the ledger.
    """
    requests = [item.event for item in fresh]
    known = await accounts.read(unit, {request.account_id for request in requests})
    decisions = decide_batch(requests, known)
    await accounts.add(unit, decisions.opened)
    await ledger.open([opening_of(event) for event in decisions.opened], unit=unit)
    return decisions.outcomes
