"""Freeze accounts in the ledger, which then refuses to post to them.

account.freeze-requested -> account.frozen | account.unfrozen | account.freeze-refused
"""

from collections.abc import Sequence

from consumers.account_freezing.decide import Outcome, outcome_of, wishes_of
from ledger_adapter.ports import Ledger
from runtime.unit import Unit
from schemas.account import AccountFreezeRequested
from schemas.event import Delivered


async def on_freezes_requested(
    fresh: Sequence[Delivered[AccountFreezeRequested]], unit: Unit, *, ledger: Ledger
) -> list[Outcome]:
    """Freeze and let go, each request once: a redelivered freeze must not undo its lifting."""
    requests = [item.event for item in fresh]
    wishes = wishes_of(requests)
    unknown = await ledger.freeze(wishes.freeze, unit=unit)
    unknown |= await ledger.unfreeze(wishes.unfreeze, unit=unit)
    return [outcome_of(request, unknown) for request in requests]
