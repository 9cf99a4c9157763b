"""Wiring of the account opening stage."""

from functools import partial

from faststream import FastStream

from consumers.account_opening.handler import on_openings_requested
from consumers.account_opening.store import PostgresAccounts
from ledger_adapter.postgres import PostgresLedger
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(resources: Resources) -> Stage:
    """The stage on the PostgreSQL ledger, which shares the batch's transaction."""
    ledger = PostgresLedger(now=resources.clock.now)
    return Stage(
        "account_opening",
        partial(on_openings_requested, accounts=PostgresAccounts(), ledger=ledger),
    )


def make_app() -> FastStream:
    """The application, for `faststream run consumers.account_opening.app:make_app --factory`."""
    return stage_app("account_opening", build)
