"""The credentials.* topics: by what programs prove who they are."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from schemas.event import ClientId, RequestEvent


class CredentialKind(StrEnum):
    """What a program may show."""

    SECRET = "secret"  # noqa: S105 - a kind
    """For POST /oauth/token."""
    API_KEY = "api_key"
    """In place of a token."""


class CredentialsEvent(RequestEvent):
    """What all events about one credential carry. `request_id` and `requested_at` are the act's."""

    program_id: ClientId
    credential_id: UUID
    changed_by: ClientId

    @property
    def key(self) -> str:
        """The program."""
        return self.program_id


class CredentialsCreated(CredentialsEvent):
    """A program may prove who it is by one thing more.

    Source: producers.auth (POST /auth/clients/..., `titan auth create-client` and others).
    Key:    program_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "credentials.created.v1"

    kind: CredentialKind
    scopes: Annotated[list[str], Field(max_length=64)]


class CredentialsRevoked(CredentialsEvent):
    """A credential is worth nothing any more, nor are the tokens that it was exchanged for.

    Source: producers.auth (DELETE /auth/clients/..., `titan auth revoke`).
    Key:    program_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "credentials.revoked.v1"


class CredentialsRefused(RequestEvent):
    """Somebody called themselves this program, and showed a secret that is none of its.

    There is none for a program that does not exist.

    Source: producers.auth (POST /oauth/token).
    Key:    program_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "credentials.refused.v1"

    program_id: ClientId

    @property
    def key(self) -> str:
        """The program."""
        return self.program_id
