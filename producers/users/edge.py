"""What the routes of the users' edge work with, wired when the process starts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from domain.errors import Defect, Invalid, Unavailable
from ledger_adapter.ports import LedgerReader
from ledger_adapter.postgres import PostgresLedgerReader
from producers.users.decide import Act
from producers.users.document_worker import Cleaner
from producers.users.sender import FOLDER, CodeSender, FolderSender, MailSender, NoSender
from producers.users.upload_slots import UploadSlots
from projections import accounts, directory
from projections.accounts import AccountProfile
from projections.directory import DirectoryChange
from runtime.changes import Changes, Feed
from runtime.clock import Clock
from runtime.database import Connection, Database
from runtime.documents.bucket import open_bucket
from runtime.documents.folder import FolderStore
from runtime.documents.store import DocumentStore
from runtime.http.caller import Caller
from runtime.http.resources import EdgeResources
from runtime.http.scope import traceparent_of
from runtime.mail import Mailer, smtp_server_of
from runtime.outbox import OutboxRelay
from runtime.settings import Settings

_DOCUMENTS: Final = "documents"
_RELAY_CONNECTIONS: Final = 1


@dataclass(frozen=True, slots=True)
class UsersEdge:
    """The tools of one process of this edge."""

    resources: EdgeResources
    relay: OutboxRelay
    sender: CodeSender
    store: DocumentStore
    cleaner: Cleaner
    uploads: UploadSlots
    opened: Feed[UUID, AccountProfile]
    decisions: Feed[UUID, DirectoryChange]
    ledger: LedgerReader

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Connection]:
        """A transaction for the block; what it puts into the outbox is published right after."""
        async with self.resources.database.connection() as connection, connection.transaction():
            yield connection
        self.relay.wake()

    def act(self, request: Request, caller: Caller) -> Act:
        """A request that changes something: its id has no cause but the request."""
        return Act(
            act_id=self.resources.clock.random_id(),
            at=self.resources.clock.now(),
            client_id=caller.client_id,
            traceparent=traceparent_of(request.scope),
        )


@asynccontextmanager
async def open_edge(resources: EdgeResources) -> AsyncIterator[UsersEdge]:
    """Wire the edge, and run its background work for as long as the block."""
    settings, clock, database = resources.settings, resources.clock, resources.database
    if settings.postgres_dsn is None:
        raise Unavailable("the address of PostgreSQL is not set")
    dsn = settings.postgres_dsn.get_secret_value()
    changes = Changes(dsn, name="users", clock=clock)

    async def load_accounts(account_ids: Sequence[UUID]) -> Mapping[UUID, AccountProfile]:
        async with database.connection() as connection:
            return await accounts.read_accounts(connection, account_ids)

    async def load_changes(request_ids: Sequence[UUID]) -> Mapping[UUID, DirectoryChange]:
        async with database.connection() as connection:
            return await directory.read_changes(connection, request_ids)

    try:
        sender = code_sender(settings, clock=clock)
    except Invalid as error:
        raise SystemExit(f"titan: users: {error.message}") from None
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(document_store(settings))
        relay_database = await Database.connect(dsn, name="users-outbox", size=_RELAY_CONNECTIONS)
        stack.push_async_callback(relay_database.close)
        relay = OutboxRelay(relay_database, resources.publisher, clock=clock)
        relay.start()
        stack.push_async_callback(relay.stop)
        edge = UsersEdge(
            resources=resources,
            relay=relay,
            sender=sender,
            store=store,
            cleaner=Cleaner(),
            uploads=UploadSlots(),
            opened=changes.feed(accounts.CHANNEL, load_accounts),
            decisions=changes.feed(directory.CHANNEL, load_changes),
            ledger=PostgresLedgerReader(database),
        )
        changes.start()
        stack.push_async_callback(changes.stop)
        yield edge


@asynccontextmanager
async def document_store(settings: Settings) -> AsyncIterator[DocumentStore]:
    """The store that the settings name: a bucket, or a folder of this machine."""
    if settings.documents_bucket is not None:
        async with open_bucket(
            settings.documents_bucket, endpoint_url=settings.documents_endpoint_url
        ) as bucket:
            yield bucket
    else:
        yield FolderStore(settings.data_directory / _DOCUMENTS)


def code_sender(settings: Settings, *, clock: Clock) -> CodeSender:
    """E-mail where a mail server is set. In the demo a folder stands in for what is not."""
    server = smtp_server_of(settings)
    other = FolderSender(settings.data_directory / FOLDER) if settings.is_demo else NoSender()
    if server is None:
        return other
    return MailSender(Mailer(server, clock=clock), clock=clock, phones=other)


def person_of(caller: Caller) -> UUID:
    """The person who calls; their route's rule lets in nobody else."""
    if caller.person_id is None:
        raise Defect("a route about the caller let in somebody who is no person")
    return caller.person_id


def edge_of(request: Request) -> UsersEdge:
    """The tools, for a route."""
    edge: UsersEdge = request.app.state.edge
    return edge


TheEdge = Annotated[UsersEdge, Depends(edge_of)]
"""A route's parameter that gives the tools."""
