"""What the routes of webhooks work with, wired when the process starts."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from domain.errors import Invalid, Unavailable
from domain.outside import target_of
from producers.webhooks import endpoints
from producers.webhooks.endpoints import Endpoint
from runtime.database import Connection, Database
from runtime.http.caller import Caller
from runtime.http.problem import Fault, ProblemError
from runtime.http.resources import EdgeResources
from runtime.http.scope import header_values
from runtime.outbox import OutboxRelay
from runtime.webhook_words import Words

_VERSION = re.compile(rb'"([0-9]{1,9})"\Z')
_LISTED_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class WebhooksEdge:
    """The tools of one process of this edge."""

    resources: EdgeResources

    @property
    def now(self) -> datetime:
        """The time."""
        return self.resources.clock.now()

    def new_id(self) -> UUID:
        """An id for what begins here."""
        return self.resources.clock.random_id()

    def words_of(self, caller: Caller) -> Words:
        """Seals and opens what the caller's endpoints keep."""
        return Words(self.resources.vault, caller.client_id)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Connection]:
        """A transaction for the block."""
        async with self.resources.database.connection() as connection, connection.transaction():
            yield connection

    def demand_url(self, url: str) -> None:
        """ProblemError 422 unless the outside may be called by this URL.

        The demo may call this very machine as well. The name is not resolved here: what it leads
        to is looked at when something is sent, each time anew.
        """
        try:
            target_of(url, loopback=self.resources.settings.is_demo)
        except Invalid as error:
            raise ProblemError(
                422, error.code, error.message, faults=[Fault("/url", error.message)]
            ) from None

    async def locked(
        self, connection: Connection, request: Request, caller: Caller, endpoint_id: UUID
    ) -> Endpoint:
        """This caller's endpoint, locked; 404 if it is not theirs, 412 if it is another version."""
        endpoint = await endpoints.read(
            connection, self.words_of(caller), caller.client_id, endpoint_id, lock=True
        )
        if endpoint is None:
            raise no_endpoint()
        wanted = header_values(request.scope, b"if-match")
        if wanted and not _names(wanted, endpoint.version):
            raise ProblemError(
                412, "version_changed", "the endpoint is another version by now: read it again"
            )
        return endpoint


@asynccontextmanager
async def open_edge(resources: EdgeResources) -> AsyncIterator[WebhooksEdge]:
    """Wire the edge, and publish what the pool puts into the outbox, for as long as the block."""
    settings = resources.settings
    if settings.postgres_dsn is None:
        raise Unavailable("the address of PostgreSQL is not set")
    dsn = settings.postgres_dsn.get_secret_value()
    of_relay = await Database.connect(dsn, name="webhooks-outbox", size=1)
    relay = OutboxRelay(of_relay, resources.publisher, clock=resources.clock)
    relay.start()
    try:
        yield WebhooksEdge(resources)
    finally:
        await relay.stop()
        await of_relay.close()


def edge_of(request: Request) -> WebhooksEdge:
    """The tools, for a route."""
    edge: WebhooksEdge = request.app.state.edge
    return edge


TheEdge = Annotated[WebhooksEdge, Depends(edge_of)]
"""A route's parameter that gives the tools."""


def demand_version(request: Request) -> None:
    """ProblemError 428 unless the request names the version that it would change."""
    if not header_values(request.scope, b"if-match"):
        raise ProblemError(
            428, "version_required", "send If-Match with the ETag that the endpoint was read with"
        )


def no_endpoint() -> ProblemError:
    """There is none, or it is another's."""
    return ProblemError(404, "endpoint_not_found", "there is no such endpoint")


def no_delivery() -> ProblemError:
    """There is none, or it is another's."""
    return ProblemError(404, "delivery_not_found", "there is no such delivery")


def disabled() -> ProblemError:
    """Nothing is sent to a disabled endpoint."""
    return ProblemError(409, "endpoint_disabled", "the endpoint is disabled: enable it first")


def _names(values: Sequence[bytes], version: int) -> bool:
    entries = [entry.strip() for value in values for entry in value.split(b",")][:_LISTED_MAX]
    if entries == [b"*"]:
        return True
    found = [match for entry in entries if (match := _VERSION.match(entry))]
    return any(int(match[1]) == version for match in found)
