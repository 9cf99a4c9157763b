"""What the routes of Auth work with, wired when the process starts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from domain.errors import Unavailable
from producers.auth.doorkeeper import Doorkeeper
from producers.auth.events import Act
from producers.auth.housekeeping import Housekeeping
from producers.auth.meters import Meters
from producers.auth.passwords import PasswordHasher
from producers.auth.signing import KeyRing
from runtime.database import Database
from runtime.http.access_token import TokenVerifier
from runtime.http.resources import EdgeResources
from runtime.http.scope import traceparent_of
from runtime.outbox import OutboxRelay


@dataclass(frozen=True, slots=True)
class AuthEdge:
    """The tools of one process of this edge."""

    resources: EdgeResources
    hasher: PasswordHasher
    meters: Meters
    door: Doorkeeper
    keys: KeyRing
    relay: OutboxRelay
    verifier: TokenVerifier

    def act(self, request: Request) -> Act:
        """What this request does."""
        clock = self.resources.clock
        return Act(clock.random_id(), clock.now(), traceparent_of(request.scope))


@asynccontextmanager
async def open_edge(resources: EdgeResources) -> AsyncIterator[AuthEdge]:
    """Wire the edge, and run its background work for as long as the block."""
    settings, clock, database = resources.settings, resources.clock, resources.database
    if settings.postgres_dsn is None:
        raise Unavailable("the address of PostgreSQL is not set")
    of_relay = await Database.connect(
        settings.postgres_dsn.get_secret_value(), name="auth-outbox", size=1
    )
    relay = OutboxRelay(of_relay, resources.publisher, clock=clock)
    hasher = PasswordHasher(
        cost=settings.password_cost,
        threads=settings.password_threads,
        share=settings.password_share_percent / 100,
        clock=clock,
    )
    meters = Meters(database, resources.vault)
    keys = KeyRing(database, resources.vault, clock=clock)
    housekeeping = Housekeeping(database, clock=clock)
    relay.start()
    housekeeping.start()
    try:
        yield AuthEdge(
            resources,
            hasher,
            meters,
            Doorkeeper(meters, clock=clock),
            keys,
            relay,
            TokenVerifier(keys, issuer=settings.token_issuer, clock=clock),
        )
    finally:
        await housekeeping.stop()
        await relay.stop()
        await of_relay.close()
        hasher.close()


def edge_of(request: Request) -> AuthEdge:
    """The tools, for a route."""
    edge: AuthEdge = request.app.state.edge
    return edge


def address_of(request: Request) -> str:
    """Where a request comes from: who connected, or as TITAN_TRUSTED_PROXIES tell of them."""
    return "unknown" if request.client is None else request.client.host


TheEdge = Annotated[AuthEdge, Depends(edge_of)]
"""A route's parameter that gives the tools."""
