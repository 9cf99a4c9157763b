"""What the routes of the Payment Router work with, wired when the process starts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from domain.errors import Unavailable
from domain.payment import State
from ledger_adapter.ports import LedgerReader
from ledger_adapter.postgres import PostgresLedgerReader
from producers.payments.accept import Acceptor
from producers.payments.payers import Payers
from producers.payments.quick import QuickAccounts, QuickAnswers
from producers.payments.tries import KnownPayments
from projections import accounts, payments
from projections.accounts import AccountProfile, read_accounts
from projections.payments import Payment, read_payment, states
from runtime import limits, metrics
from runtime.changes import Changes, Feed
from runtime.http.problem import ProblemError
from runtime.http.resources import EdgeResources
from runtime.http.streams import Streams
from runtime.lag import LagReader, LagSampler, pipeline_groups
from runtime.topics import topic_map


@dataclass(slots=True)
class PaymentsEdge:
    """The tools of one process of this edge."""

    resources: EdgeResources
    acceptor: Acceptor
    quick: QuickAnswers
    promised: QuickAccounts
    lag: LagSampler
    states: Feed[UUID, State]
    opened: Feed[UUID, AccountProfile]
    ledger: LedgerReader
    streams: Streams

    def admit(self) -> None:
        """ProblemError 429 while the pipeline is full. Without a fresh sample all are let in."""
        records = self.lag.records
        if records is None or records < self.resources.settings.admission_lag_records_max:
            return
        metrics.ADMISSION_REFUSALS.inc()
        raise ProblemError(
            429,
            "pipeline_full",
            "too many payments are waiting; nothing was done, try again",
            headers={"Retry-After": str(limits.LAG_RETRY_AFTER_S)},
        )

    async def payment(self, payment_id: UUID, *, client_id: str) -> Payment | None:
        """This client's payment as the projection has it; Unavailable if it does not answer."""
        async with self.resources.database.connection() as connection:
            return await read_payment(connection, payment_id, client_id=client_id)

    async def profile(self, account_id: UUID, *, client_id: str) -> AccountProfile | None:
        """This client's account; Unavailable if the database does not answer."""
        async with self.resources.database.connection() as connection:
            profile = (await read_accounts(connection, [account_id])).get(account_id)
        return profile if profile is not None and profile.client_id == client_id else None


@asynccontextmanager
async def open_edge(resources: EdgeResources) -> AsyncIterator[PaymentsEdge]:
    """Wire the edge, and run its background work for as long as the block."""
    settings, clock, database = resources.settings, resources.clock, resources.database
    if settings.kafka_bootstrap is None or settings.postgres_dsn is None:
        raise Unavailable("the addresses of Kafka and PostgreSQL are not set")
    changes = Changes(settings.postgres_dsn.get_secret_value(), name="payments", clock=clock)

    async def load_states(payment_ids: Sequence[UUID]) -> Mapping[UUID, State]:
        async with database.connection() as connection:
            return await states(connection, payment_ids)

    async def load_accounts(account_ids: Sequence[UUID]) -> Mapping[UUID, AccountProfile]:
        async with database.connection() as connection:
            return await read_accounts(connection, account_ids)

    quick = QuickAnswers(resources.cache)
    acceptor = Acceptor(
        publisher=resources.publisher,
        quick=quick,
        known=KnownPayments(database, clock),
        payers=Payers(database, clock),
        vault=resources.vault,
        clock=clock,
    )
    reader = LagReader(
        pipeline_groups(topic_map(), "payment."),
        bootstrap=settings.kafka_bootstrap,
        prefix=settings.topic_prefix,
    )
    lag = LagSampler(reader, clock=clock)
    edge = PaymentsEdge(
        resources=resources,
        acceptor=acceptor,
        quick=quick,
        promised=QuickAccounts(resources.cache),
        lag=lag,
        states=changes.feed(payments.CHANNEL, load_states),
        opened=changes.feed(accounts.CHANNEL, load_accounts),
        ledger=PostgresLedgerReader(database),
        streams=Streams(),
    )
    changes.start()
    sampling = asyncio.create_task(lag.run())
    try:
        yield edge
    finally:
        await acceptor.drain()
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        await changes.stop()


def edge_of(request: Request) -> PaymentsEdge:
    """The tools, for a route."""
    edge: PaymentsEdge = request.app.state.edge
    return edge


TheEdge = Annotated[PaymentsEdge, Depends(edge_of)]
"""A route's parameter that gives the tools."""
