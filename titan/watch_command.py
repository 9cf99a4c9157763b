"""`titan watch`: follow one payment through the log, event by event, until it ends."""

import asyncio
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import typer

from domain.errors import Invalid, Unavailable
from domain.payment import State
from runtime.clock import Clock, SystemClock
from runtime.follow import Follower
from runtime.settings import Settings
from titan.edge_client import EdgeClient
from titan.endpoints import connected_settings
from titan.follow_payment import hops_of, line_of, payment_topics
from titan.journey import Hop, Journey
from titan.terminal import JsonOption, say, say_json_line

SKEW_S: Final = 5.0
"""The broker's clock may be this much behind the edge's that stamped the acceptance."""

PaymentArgument = Annotated[UUID, typer.Argument(help="The payment's id.")]


def watch(payment_id: PaymentArgument, *, as_json: JsonOption = False) -> None:
    """Follow a payment until it is posted (exit 0) or refused (exit 1)."""
    last = asyncio.run(_watched(payment_id, as_json=as_json))
    if last is None or last.event != State.POSTED:
        raise typer.Exit(1)


async def _watched(payment_id: UUID, *, as_json: bool) -> Hop | None:
    settings = connected_settings(needed=("kafka_bootstrap",))
    clock = SystemClock()
    follower = await _follower(payment_id, settings, clock)
    journey = Journey(payment_id)
    hop: Hop | None = None
    try:
        await follower.start()
        async for hop in hops_of(journey, follower, clock=clock):
            if as_json:
                say_json_line(hop.as_json())
            else:
                say(line_of(hop))
    finally:
        await follower.stop()
    return hop


async def _follower(payment_id: UUID, settings: Settings, clock: Clock) -> Follower:
    """A follower that begins just before the payment was accepted."""
    async with EdgeClient(settings, clock=clock) as client:
        try:
            seen = await client.payment(payment_id)
        except Invalid as error:
            raise Unavailable(f"no payment {payment_id} is known") from error
    accepted_at = seen.accepted_at or clock.now()
    assert settings.kafka_bootstrap is not None
    return Follower(
        payment_topics(),
        bootstrap=settings.kafka_bootstrap,
        prefix=settings.topic_prefix,
        since=accepted_at - timedelta(seconds=SKEW_S),
    )
