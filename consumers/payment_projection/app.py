"""Wiring of the payment projection stage."""

from functools import partial

from faststream import FastStream

from consumers.payment_projection.handler import on_payment_events
from consumers.payment_projection.store import PostgresPayments
from runtime import limits
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(_: Resources) -> Stage:
    """The stage without an inbox: its fold is a join, so order and repetition change nothing."""
    return Stage(
        "payment_projection",
        partial(on_payment_events, payments=PostgresPayments()),
        inbox=False,
    )


def make_app() -> FastStream:
    """The application, for `faststream run consumers.payment_projection.app:make_app --factory`."""
    return stage_app("payment_projection", build, gather_ms=limits.GATHER_MS)
