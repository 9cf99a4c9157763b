"""Wiring of Handle Resolution: `uvicorn producers.handles.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from producers.handles import routes_change, routes_payers, routes_resolve
from producers.handles.edge import open_edge
from producers.handles.models import ClaimBody, PortBody
from runtime.http.authorization import Rules, customer, person
from runtime.http.caller import Authenticator, Scope
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "Handles: a person's public alias, which names an account. A handle has 2 to 32 characters of "
    "a-z, 0-9, '.', '_' and '-'; a leading @, capitals and compatible forms are folded. Every path "
    "is also served under /v1."
)

RULES: Final[Rules] = {
    ("GET", "/handles/resolve"): customer(Scope.HANDLES_READ),
    ("POST", "/handles"): customer(Scope.HANDLES_WRITE),
    ("POST", "/handles/{handle}/port"): customer(Scope.HANDLES_WRITE),
    ("DELETE", "/handles/{handle}"): customer(Scope.HANDLES_WRITE),
    ("GET", "/handles/{handle}/history"): customer(Scope.HANDLES_READ),
    ("GET", "/handles/requests/{request_id}"): customer(Scope.HANDLES_READ),
    # No program lets another one pay, and the demo pays from where it likes.
    ("GET", "/handles/{handle}/payers"): person(),
    ("PUT", "/handles/{handle}/payers/{program_id}"): person(),
    ("DELETE", "/handles/{handle}/payers/{program_id}"): person(),
}


def make_app(
    settings: Settings | None = None,
    *,
    authenticator: Authenticator | None = None,
    resources: OpenResources = open_resources,
) -> FastAPI:
    """The application; nothing is opened before it starts."""
    return edge_app(
        "handles",
        title="Titan Handle Resolution",
        description=_DESCRIPTION,
        settings=settings or Settings(),
        authenticator=authenticator,
        resources=resources,
        open_edge=open_edge,
        routers=[routes_resolve.router, routes_change.router, routes_payers.router],
        rules=RULES,
        needs_database=False,
        direct={("GET", "/handles/resolve"): routes_resolve.get_handle},
        body_models=[ClaimBody, PortBody],
    )
