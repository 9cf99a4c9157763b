"""Wiring of the account freezing stage."""

from functools import partial

from faststream import FastStream

from consumers.account_freezing.handler import on_freezes_requested
from ledger_adapter.postgres import PostgresLedger
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(resources: Resources) -> Stage:
    """The stage on the PostgreSQL ledger, which shares the batch's transaction."""
    ledger = PostgresLedger(now=resources.clock.now)
    return Stage("account_freezing", partial(on_freezes_requested, ledger=ledger))


def make_app() -> FastStream:
    """The application, for `faststream run consumers.account_freezing.app:make_app --factory`."""
    return stage_app("account_freezing", build)
