"""Wiring of the ledger posting stage."""

from functools import partial

from faststream import FastStream

from consumers.ledger_posting.handler import on_payments_screened
from ledger_adapter.postgres import PostgresLedger
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(resources: Resources) -> Stage:
    """The stage on the PostgreSQL ledger, which shares the batch's transaction."""
    ledger = PostgresLedger(now=resources.clock.now)
    return Stage("ledger_posting", partial(on_payments_screened, ledger=ledger))


def make_app() -> FastStream:
    """The application, for `faststream run consumers.ledger_posting.app:make_app --factory`."""
    return stage_app("ledger_posting", build)
