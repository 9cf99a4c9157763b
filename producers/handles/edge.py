"""What the routes of Handle Resolution work with, wired when the process starts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from domain.directory import HandleEntry
from domain.errors import Unavailable
from producers.handles.allowance import Allowance
from producers.handles.cached import CachedSights
from producers.handles.lookup import Lookup
from producers.handles.near import NearSights
from producers.handles.requests import PendingRequests, Requests
from projections import directory
from projections.directory import DirectoryChange
from runtime import limits
from runtime.changes import Changes
from runtime.follow import Follower
from runtime.http.resources import EdgeResources
from runtime.tail import Tail
from runtime.topics import topic_map

ROOM: Final = "producers.handles"


@dataclass(frozen=True, slots=True)
class HandlesEdge:
    """The tools of one process of this edge."""

    resources: EdgeResources
    lookup: Lookup
    allowance: Allowance
    requests: Requests
    pending: PendingRequests


@asynccontextmanager
async def open_edge(resources: EdgeResources) -> AsyncIterator[HandlesEdge]:
    """Wire the edge, and run its background work for as long as the block."""
    settings, clock, database = resources.settings, resources.clock, resources.database
    bootstrap, dsn = settings.kafka_bootstrap, settings.postgres_dsn
    if bootstrap is None or dsn is None:
        raise Unavailable("the addresses of Kafka and PostgreSQL are not set")
    changes = Changes(dsn.get_secret_value(), name="handles", clock=clock)

    async def load_changes(request_ids: Sequence[UUID]) -> Mapping[UUID, DirectoryChange]:
        async with database.connection() as connection:
            return await directory.read_changes(connection, request_ids)

    async def load_handles(handles: Sequence[str]) -> Mapping[str, HandleEntry]:
        async with database.connection() as connection:
            return await directory.read_handles(connection, handles)

    cached = CachedSights(resources.cache, clock=clock)
    near = NearSights(limits.NEAR_SIGHTS_MAX, clock=clock)
    lookup = Lookup(load_handles, cached, near, clock=clock)
    tail = Tail(
        lambda: Follower(
            topic_map().tailed_by(ROOM, "handle."),
            bootstrap=bootstrap,
            prefix=settings.topic_prefix,
            wait_ms=limits.TAIL_WAIT_MS,
        ),
        on_start=lookup.distrust,
        on_events=lookup.on_events,
        clock=clock,
    )
    cached.follow(tail)
    near.follow(tail)
    pending = PendingRequests(resources.cache)
    requests = Requests(
        resources, decisions=changes.feed(directory.CHANNEL, load_changes), pending=pending
    )
    allowance = Allowance(database, clock)
    changes.start()
    tail.start()
    allowance.start()
    try:
        yield HandlesEdge(resources, lookup, allowance, requests, pending)
    finally:
        await allowance.close()
        await tail.stop()
        await lookup.close()
        await changes.stop()


def edge_of(request: Request) -> HandlesEdge:
    """The tools, for a route."""
    edge: HandlesEdge = request.app.state.edge
    return edge


TheEdge = Annotated[HandlesEdge, Depends(edge_of)]
"""A route's parameter that gives the tools."""
