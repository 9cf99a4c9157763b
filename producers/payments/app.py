"""Wiring of the Payment Router: `uvicorn producers.payments.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from producers.payments import routes_accept, routes_accounts, routes_events, routes_payments
from producers.payments.edge import open_edge
from producers.payments.models import AccountBody, BulkBody, PaymentBody
from runtime import limits
from runtime.http.authorization import Rules, customer
from runtime.http.caller import Authenticator, Scope
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "Payments between handles. Amounts count the currency's minor unit (USD: cents). Every path "
    "is also served under /v1."
)

RULES: Final[Rules] = {
    ("POST", "/payments"): customer(Scope.PAYMENTS_WRITE),
    ("POST", "/payments/bulk"): customer(
        Scope.PAYMENTS_WRITE, body_bytes_max=limits.BULK_BODY_BYTES_MAX
    ),
    ("GET", "/payments"): customer(Scope.PAYMENTS_READ),
    ("GET", "/payments/{payment_id}"): customer(Scope.PAYMENTS_READ),
    ("GET", "/payments/{payment_id}/events"): customer(Scope.PAYMENTS_READ),
    ("POST", "/accounts"): customer(Scope.ACCOUNTS_WRITE),
    ("GET", "/accounts/{account_id}"): customer(Scope.ACCOUNTS_READ),
    ("GET", "/accounts/{account_id}/entries"): customer(Scope.ACCOUNTS_READ),
}


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
        rules=RULES,
        needs_database=False,
        direct={("POST", "/payments"): routes_accept.post_payment},
        body_models=[PaymentBody, BulkBody, AccountBody],
    )
