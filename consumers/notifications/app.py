"""Wiring of the planning of notifications."""

from functools import partial

from faststream import FastStream

from consumers.notifications.handler import on_facts
from consumers.notifications.store import PostgresHolders, PostgresNotices
from runtime import limits
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(resources: Resources) -> Stage:
    """The stage on its tables."""
    return Stage(
        "notifications",
        partial(
            on_facts, holders=PostgresHolders(), notices=PostgresNotices(), clock=resources.clock
        ),
    )


def make_app() -> FastStream:
    """The application, for `faststream run consumers.notifications.app:make_app --factory`."""
    return stage_app("notifications", build, gather_ms=limits.TELL_GATHER_MS)
