"""What the routes of Notifications work with, wired when the process starts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from domain.errors import Invalid, Unavailable
from domain.notification import Detail, Subject
from producers.notifications import inbox
from producers.notifications.channels.wired import carriers_of
from producers.notifications.courier import Courier
from producers.notifications.decide import notification_answer
from producers.notifications.inbox import InboxRow
from producers.notifications.letters import Desk
from producers.notifications.models import NotificationAnswer
from producers.notifications.names import masked_names
from producers.notifications.preferences import read_preferences
from producers.notifications.templates import Content, Templates
from producers.notifications.unsubscribing import Links
from runtime import recipients
from runtime.changes import Changes, Feed
from runtime.database import Connection, Database
from runtime.http.resources import EdgeResources
from runtime.http.streams import Streams
from runtime.settings import Settings

_COURIER_CONNECTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class NotificationsEdge:
    """The tools of one process of this edge."""

    resources: EdgeResources
    templates: Templates
    links: Links
    numbers: Feed[str, int]
    """The number of each client's newest notification."""
    streams: Streams = field(default_factory=Streams)

    async def told(
        self, connection: Connection, client_id: str, rows: Sequence[InboxRow]
    ) -> list[NotificationAnswer]:
        """Notifications in their reader's language: the reader has signed in, and sees it all."""
        locale = (await read_preferences(connection, client_id)).locale
        paid = [row.notification_id for row in rows if row.payment_id is not None]
        names = await masked_names(connection, self.resources.vault, paid)
        answers: list[NotificationAnswer] = []
        for row in rows:
            content = Content(
                subject=Subject(row.subject),
                count=row.count,
                amount_minor=row.amount_minor,
                currency=row.currency,
                code=row.code,
                name=names.get(row.notification_id),
            )
            words = self.templates.words(content, locale=locale, detail=Detail.PAYEE)
            answers.append(notification_answer(row, words))
        return answers


@asynccontextmanager
async def open_edge(resources: EdgeResources) -> AsyncIterator[NotificationsEdge]:
    """Wire the edge and its courier, and run both for as long as the block."""
    settings, clock, database = resources.settings, resources.clock, resources.database
    if settings.postgres_dsn is None:
        raise Unavailable("the address of PostgreSQL is not set")
    dsn = settings.postgres_dsn.get_secret_value()
    changes = Changes(dsn, name="notifications", clock=clock)

    async def load_numbers(client_ids: Sequence[str]) -> Mapping[str, int]:
        async with database.connection() as connection:
            return await inbox.last_numbers(connection, client_ids)

    try:
        carriers = carriers_of(settings, clock=clock)
    except Invalid as error:
        raise SystemExit(f"titan: notifications: {error.message}") from None
    async with AsyncExitStack() as stack:
        templates, links = Templates(), Links(resources.vault, _url_of(settings))
        numbers = changes.feed(recipients.CHANNEL, load_numbers)
        changes.start()
        stack.push_async_callback(changes.stop)
        of_courier = await Database.connect(dsn, name="courier", size=_COURIER_CONNECTIONS)
        stack.push_async_callback(of_courier.close)
        desk = Desk(resources.vault, templates, links)
        courier = Courier(of_courier, desk, carriers, clock=clock)
        courier.start()
        stack.push_async_callback(courier.stop)
        yield NotificationsEdge(resources, templates, links, numbers)


def _url_of(settings: Settings) -> str:
    given = settings.notifications_url
    return given or f"http://{settings.bind_host}:{settings.notifications_port}"


def edge_of(request: Request) -> NotificationsEdge:
    """The tools, for a route."""
    edge: NotificationsEdge = request.app.state.edge
    return edge


TheEdge = Annotated[NotificationsEdge, Depends(edge_of)]
"""A route's parameter that gives the tools."""
