"""Wiring of webhooks: `uvicorn producers.webhooks.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from producers.webhooks import routes_care, routes_deliveries, routes_endpoints
from producers.webhooks.edge import open_edge
from producers.webhooks.models import (
    EndpointBody,
    EndpointChangeBody,
    RecoverBody,
    ReplayBody,
    RotateBody,
)
from runtime.http.authorization import Rules, customer
from runtime.http.caller import Authenticator, Scope
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "Be told of your payments, handles and accounts as they change: at least once, signed by "
    "Standard Webhooks 1.0, under an id that stays the same over attempts and replays. "
    "Every path is also served under /v1."
)

_READ: Final = customer(Scope.WEBHOOKS_READ)
_WRITE: Final = customer(Scope.WEBHOOKS_WRITE)

RULES: Final[Rules] = {
    ("GET", "/webhooks/event-types"): _READ,
    ("POST", "/webhooks/endpoints"): _WRITE,
    ("GET", "/webhooks/endpoints"): _READ,
    ("GET", "/webhooks/endpoints/{endpoint_id}"): _READ,
    ("PATCH", "/webhooks/endpoints/{endpoint_id}"): _WRITE,
    ("DELETE", "/webhooks/endpoints/{endpoint_id}"): _WRITE,
    ("POST", "/webhooks/endpoints/{endpoint_id}/enable"): _WRITE,
    ("POST", "/webhooks/endpoints/{endpoint_id}/secret"): _WRITE,
    ("POST", "/webhooks/endpoints/{endpoint_id}/test"): _WRITE,
    ("POST", "/webhooks/endpoints/{endpoint_id}/replay"): _WRITE,
    ("POST", "/webhooks/endpoints/{endpoint_id}/recover"): _WRITE,
    ("GET", "/webhooks/replays/{replay_id}"): _READ,
    ("GET", "/webhooks/deliveries"): _READ,
    ("GET", "/webhooks/deliveries/{delivery_id}"): _READ,
    ("POST", "/webhooks/deliveries/{delivery_id}/retry"): _WRITE,
}
"""Whom each route lets in: customers, each to what is their own."""


def make_app(
    settings: Settings | None = None,
    *,
    authenticator: Authenticator | None = None,
    resources: OpenResources = open_resources,
) -> FastAPI:
    """The application; nothing is opened before it starts."""
    return edge_app(
        "webhooks",
        title="Titan Webhooks",
        description=_DESCRIPTION,
        settings=settings or Settings(),
        authenticator=authenticator,
        resources=resources,
        open_edge=open_edge,
        routers=[routes_endpoints.router, routes_care.router, routes_deliveries.router],
        rules=RULES,
        body_models=[EndpointBody, EndpointChangeBody, RotateBody, ReplayBody, RecoverBody],
    )
