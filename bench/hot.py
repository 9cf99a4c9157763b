"""A hot account: a backlog in which everybody pays the same payee."""

from functools import partial
from typing import Final

from bench.figures import Figure
from bench.flow import Flow
from bench.place import GENERATOR
from bench.rig import Rig

_SHARED: Final = "broker, database, all stages; edges, cache and this generator idle"


async def measure_hot(rig: Rig, count: int) -> list[Figure]:
    """So many payments onto one account: every batch of the ledger waits for that one row."""
    payee = rig.people.handles[0]
    # A little more than needed: nobody pays themselves.
    drawn = rig.people.payments(count + count // 50 + 10, name="hot")
    others = [event for event in drawn if event.from_handle != payee]
    events = [event.model_copy(update={"to_handle": payee}) for event in others[:count]]
    async with Flow(rig.place.bootstrap, clock=rig.clock) as flow:
        drain = await flow.drain(
            count,
            lambda: rig.publish(events),
            held=rig.place.held(),
            meter=rig.place.meter,
            free=GENERATOR,
        )
    row = partial(
        Figure, group=f"hot account: backlog of {count:,} payments onto one", shared=_SHARED
    )
    return [
        row(name="requested to posted", value=drain.rate_per_s, unit="payments/s"),
        row(name="CPU of one payment, database", value=drain.cpu_us["postgres"], unit="us"),
        row(name="CPU of one payment, everything", value=drain.all_us, unit="us"),
    ]
