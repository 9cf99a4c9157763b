"""Wiring of the planning of webhooks."""

from functools import partial

from faststream import FastStream

from consumers.webhooks.handler import on_events
from consumers.webhooks.store import PostgresBook
from runtime import limits
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(resources: Resources) -> Stage:
    """The stage without an inbox: planning is a join, so order and repetition change nothing."""
    book = PostgresBook(clock=resources.clock)
    return Stage("webhooks", partial(on_events, book=book), inbox=False)


def make_app() -> FastStream:
    """The application, for `faststream run consumers.webhooks.app:make_app --factory`."""
    return stage_app("webhooks", build, gather_ms=limits.TELL_GATHER_MS)
