"""Wiring of webhooks in: `uvicorn producers.inbound.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from producers.inbound import routes_inbound
from producers.inbound.edge import open_edge
from producers.inbound.routes_inbound import INBOUND_BYTES_MAX
from runtime.http.authorization import Rules, public
from runtime.http.caller import Authenticator
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "Webhooks of providers, as inbound.yaml names them. Who sends one is told by its signature, "
    "not by a token. Every path is also served under /v1."
)

# Who may is told by the signature of the message, within the route.
_BY_SIGNATURE: Final = public(body_bytes_max=INBOUND_BYTES_MAX)

RULES: Final[Rules] = {
    ("POST", "/inbound/{provider}"): _BY_SIGNATURE,
    ("PUT", "/inbound/{provider}"): _BY_SIGNATURE,
}


def make_app(
    settings: Settings | None = None,
    *,
    authenticator: Authenticator | None = None,
    resources: OpenResources = open_resources,
) -> FastAPI:
    """The application; nothing is opened before it starts."""
    return edge_app(
        "inbound",
        title="Titan Webhooks In",
        description=_DESCRIPTION,
        settings=settings or Settings(),
        authenticator=authenticator,
        resources=resources,
        open_edge=open_edge,
        routers=[routes_inbound.router],
        rules=RULES,
    )
