"""Follow one payment through the log as it happens."""

from collections.abc import AsyncIterator
from typing import Final

from runtime.clock import Clock
from runtime.follow import Follower
from runtime.topics import Topic, topic_map
from titan.journey import Hop, Journey

MISSING_CAUSE_S_MAX: Final = 2.0
"""An end whose earlier events have not come by then is shown without them."""


def payment_topics() -> list[Topic]:
    """The topics that a payment's events are on."""
    return [topic for topic in topic_map().topics if topic.name.startswith("payment.")]


async def hops_of(journey: Journey, follower: Follower, *, clock: Clock) -> AsyncIterator[Hop]:
    """The payment's hops as they come; ends after the final one."""
    end_seen_s: float | None = None
    while not journey.ended:
        for followed in await follower.poll():
            for hop in journey.add(followed):
                yield hop
        if journey.end_is_known and not journey.ended:
            end_seen_s = end_seen_s or clock.monotonic_s()
            if clock.monotonic_s() - end_seen_s > MISSING_CAUSE_S_MAX:
                for hop in journey.give_up_waiting():
                    yield hop


def line_of(hop: Hop) -> str:
    """One event as a line."""
    place = f"{hop.position.topic} [{hop.position.partition}] @{hop.position.offset}"
    reason = f"  {hop.code}" if hop.code else ""
    return f"{hop.event:<10} {place:<36} +{hop.hop_ms} ms, {hop.total_ms} ms in all{reason}"
