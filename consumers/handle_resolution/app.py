"""Wiring of the handle resolution stage."""

from functools import partial

from faststream import FastStream

from consumers.handle_resolution.handler import on_payment_conflicted, on_payments_requested
from consumers.handle_resolution.store import (
    PostgresAcceptances,
    PostgresDirectory,
    PostgresGrants,
)
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(_resources: Resources) -> Stage:
    """The stage on the directory's table."""
    return Stage(
        "handle_resolution",
        partial(
            on_payments_requested,
            directory=PostgresDirectory(),
            acceptances=PostgresAcceptances(),
            grants=PostgresGrants(),
        ),
        on_conflict=on_payment_conflicted,
    )


def make_app() -> FastStream:
    """The application, for `faststream run consumers.handle_resolution.app:make_app --factory`."""
    return stage_app("handle_resolution", build)
