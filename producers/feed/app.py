"""Wiring of the feed: `uvicorn producers.feed.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from producers.feed import routes_feed
from producers.feed.edge import open_edge
from producers.feed.models import ExpiredProblem
from runtime.http.authorization import Rules, customer
from runtime.http.caller import Authenticator, Scope
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "Your events, to be pulled: what webhooks tell, in the order of each payment, from after a "
    "cursor. Every path is also served under /v1."
)

RULES: Final[Rules] = {("GET", "/events"): customer(Scope.EVENTS_READ)}


def make_app(
    settings: Settings | None = None,
    *,
    authenticator: Authenticator | None = None,
    resources: OpenResources = open_resources,
) -> FastAPI:
    """The application; nothing is opened before it starts."""
    return edge_app(
        "feed",
        title="Titan Feed",
        description=_DESCRIPTION,
        settings=settings or Settings(),
        authenticator=authenticator,
        resources=resources,
        open_edge=open_edge,
        routers=[routes_feed.router],
        rules=RULES,
        body_models=[ExpiredProblem],
    )
