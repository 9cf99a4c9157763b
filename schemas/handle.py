"""The handle.* topics: what was asked of the directory, and what it decided."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from domain.directory import HandleEntry, HandleTarget
from schemas.event import (
    ClientId,
    Currency,
    Fingerprint,
    Handle,
    RequestEvent,
    Sealed,
    Version,
)


class HandleEvent(RequestEvent):
    """What all handle events carry."""

    handle: Handle
    fingerprint: Fingerprint
    """Of the request's body: tells a repeat under the same key from another request."""

    @property
    def key(self) -> str:
        """The handle: all that happens to one handle happens in order."""
        return self.handle


class HandleClaimRequested(HandleEvent):
    """Somebody asked for a handle to name their account.

    Source: producers.handles (POST /handles) and producers.users (POST /users/me/handles).
    Key:    handle, so that of two racing claims one wins.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "handle.claim-requested.v1"

    client_id: ClientId
    account_id: UUID
    display_name_sealed: Sealed


class HandlePortRequested(HandleEvent):
    """The holder asked for the handle to name another account.

    Source: producers.handles (POST /handles/{handle}/port).
    Key:    handle.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "handle.port-requested.v1"

    client_id: ClientId
    account_id: UUID


class HandleReleaseRequested(HandleEvent):
    """The holder gives the handle up.

    Source: producers.handles (DELETE /handles/{handle}) and producers.users (a contact that went).
    Key:    handle.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "handle.release-requested.v1"

    client_id: ClientId


class HandleClaimed(HandleEvent):
    """The handle names the account from now on.

    Source: consumers.handle_directory, for a claim of a free handle.
    Key:    handle.
    Units:  version counts the changes of this handle, from 1.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "handle.claimed.v1"

    client_id: ClientId
    account_id: UUID
    currency: Currency
    display_name_sealed: Sealed
    version: Version


class HandlePorted(HandleEvent):
    """The handle names another account from now on.

    Source: consumers.handle_directory, for a port asked by the holder.
    Key:    handle.
    Units:  version counts the changes of this handle, from 1.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "handle.ported.v1"

    client_id: ClientId
    account_id: UUID
    currency: Currency
    display_name_sealed: Sealed
    version: Version


class HandleReleased(HandleEvent):
    """The handle names nobody and may be claimed anew.

    Source: consumers.handle_directory, for a release asked by the holder.
    Key:    handle.
    Units:  version counts the changes of this handle, from 1.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "handle.released.v1"

    client_id: ClientId
    version: Version


class HandleRefusalCode(StrEnum):
    """Why the directory said no."""

    HANDLE_TAKEN = "handle_taken"
    HANDLE_UNKNOWN = "handle_unknown"
    ACCOUNT_UNKNOWN = "account_unknown"
    SAME_ACCOUNT = "same_account"


class HandleClaimRefused(HandleEvent):
    """The directory refused a claim, a port or a release; nothing changed.

    Source: consumers.handle_directory.
    Key:    handle.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "handle.claim-refused.v1"

    client_id: ClientId
    code: HandleRefusalCode


def entry_of(event: HandleClaimed | HandlePorted | HandleReleased) -> HandleEntry:
    """The handle as it stands after a change: the event holds all of it."""
    target = None
    if not isinstance(event, HandleReleased):
        target = HandleTarget(event.account_id, event.currency, event.display_name_sealed)
    return HandleEntry(event.handle, event.version, event.client_id, target, event.requested_at)
