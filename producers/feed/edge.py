"""What the route of the feed works with, wired when the process starts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from domain.errors import Unavailable
from projections import feed
from runtime.changes import Changes, Feed
from runtime.http.resources import EdgeResources


@dataclass(frozen=True, slots=True)
class FeedEdge:
    """The tools of one process of this edge. It keeps nothing: any process answers any request."""

    resources: EdgeResources
    heads: Feed[str, int]


@asynccontextmanager
async def open_edge(resources: EdgeResources) -> AsyncIterator[FeedEdge]:
    """Wire the edge, and listen for new events for as long as the block."""
    settings, database = resources.settings, resources.database
    if settings.postgres_dsn is None:
        raise Unavailable("the address of PostgreSQL is not set")
    changes = Changes(settings.postgres_dsn.get_secret_value(), name="feed", clock=resources.clock)

    async def load_heads(client_ids: Sequence[str]) -> Mapping[str, int]:
        async with database.connection() as connection:
            return await feed.heads(connection, client_ids)

    edge = FeedEdge(resources, changes.feed(feed.CHANNEL, load_heads))
    changes.start()
    try:
        yield edge
    finally:
        await changes.stop()


def edge_of(request: Request) -> FeedEdge:
    """The tools, for a route."""
    edge: FeedEdge = request.app.state.edge
    return edge


TheEdge = Annotated[FeedEdge, Depends(edge_of)]
"""A route's parameter that gives the tools."""
