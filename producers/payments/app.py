"""Wiring of the Payment Router: `uvicorn producers.payments.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from producers.payments import routes_accept, routes_accounts, routes_events, routes_payments
from producers.payments.edge import open_edge
from producers.payments.models import AccountBody, BulkBody, PaymentBody
from runtime.http.caller import Authenticator
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "Payments between handles. Amounts count the currency's minor unit (USD: cents). Every path "
    "is also served under /v1."
)


def make_app(
    settings: Settings | None = None,
    *,
    authenticator: Authenticator | None = None,
    resources: OpenResources = open_resources,
) -> FastAPI:
    """The application; nothing is opened before it starts."""
    return edge_app(
        "payments",
        title="Titan Payment Router",
        description=_DESCRIPTION,
        settings=settings or Settings(),
        authenticator=authenticator,
        resources=resources,
        open_edge=open_edge,
        routers=[
            routes_accept.router,
            routes_payments.router,
            routes_events.router,
            routes_accounts.router,
        ],
        direct={("POST", "/payments"): routes_accept.post_payment},
        body_models=[PaymentBody, BulkBody, AccountBody],
    )
