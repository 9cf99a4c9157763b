"""Decide which account each handle names.

handle.claim-requested | handle.port-requested | handle.release-requested
    -> handle.claimed | handle.ported | handle.released | handle.claim-refused
"""

from collections.abc import Sequence

from consumers.handle_directory.decide import Outcome, Request, decide_batch
from consumers.handle_directory.ports import Directory
from runtime.unit import Unit
from schemas.event import Delivered


async def on_handles_requested(
    fresh: Sequence[Delivered[Request]], unit: Unit, *, directory: Directory
) -> list[Outcome | None]:
    """Decide a batch in order, each request seeing those before it."""
    requests = [item.event for item in fresh]
    facts = await directory.read(unit, requests)
    outcomes = decide_batch(requests, facts)
    await directory.write(unit, facts, [outcome for outcome in outcomes if outcome is not None])
    return outcomes
