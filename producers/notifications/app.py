"""Wiring of Notifications: `uvicorn producers.notifications.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from producers.notifications import routes_devices, routes_inbox, routes_preferences
from producers.notifications.edge import open_edge
from producers.notifications.models import DeviceBody, PreferencesBody, ReadBody
from runtime.http.authorization import Rules, holder, person, public
from runtime.http.caller import Authenticator
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "What people are told of: an inbox in the app, pushes and e-mails, by what they have chosen. "
    "Of an account its holder is told; `account_id` says which account a notification is about. "
    "Every path is also served under /v1."
)

RULES: Final[Rules] = {
    ("POST", "/devices"): person(),
    ("GET", "/devices"): person(),
    ("DELETE", "/devices/{device_id}"): person(),
    ("GET", "/notifications"): holder(),
    ("GET", "/notifications/unread"): holder(),
    ("GET", "/notifications/events"): holder(),
    ("POST", "/notifications/read"): holder(),
    ("POST", "/notifications/{notification_id}/read"): holder(),
    ("GET", "/notifications/preferences"): holder(),
    ("PUT", "/notifications/preferences"): holder(),
    # Who has the e-mail has the link: it stops e-mails on one subject, and nothing else.
    ("GET", "/unsubscribe/{token}"): public(),
    ("POST", "/unsubscribe/{token}"): public(),
}
"""Whom each route lets in. Programs are told by webhooks."""


def make_app(
    settings: Settings | None = None,
    *,
    authenticator: Authenticator | None = None,
    resources: OpenResources = open_resources,
) -> FastAPI:
    """The application; nothing is opened before it starts."""
    return edge_app(
        "notifications",
        title="Titan Notifications",
        description=_DESCRIPTION,
        settings=settings or Settings(),
        authenticator=authenticator,
        resources=resources,
        open_edge=open_edge,
        routers=[routes_devices.router, routes_preferences.router, routes_inbox.router],
        rules=RULES,
        body_models=[DeviceBody, PreferencesBody, ReadBody],
    )
