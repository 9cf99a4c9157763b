"""The bodies that Auth reads and writes, as its API describes them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runtime.http.body import RequestModel
from runtime.http.caller import Scope
from schemas.credentials import CredentialKind

Text = Annotated[str, Field(max_length=1_024)]
"""Text as typed; what it may hold is decided after it is normalised."""

Code = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
"""What the person's device shows."""

ProgramName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,47}$")]


class RegisterBody(RequestModel):
    """Somebody who wants to sign in from now on."""

    email: Text
    password: Text
    display_name: Text


class LoginBody(RequestModel):
    """What somebody shows to get in; the code where they have enrolled a device."""

    email: Text
    password: Text
    totp_code: Code | None = None


class RefreshBody(RequestModel):
    """The refresh token of the last answer."""

    refresh_token: Text


class PasswordBody(RequestModel):
    """The password that counts, and the one that shall."""

    current_password: Text
    new_password: Text


class TotpBody(RequestModel):
    """The password, so that a session left open is not enough."""

    password: Text


class TotpVerifyBody(RequestModel):
    """A code of the device that is being enrolled."""

    totp_code: Code


class TotpRemoveBody(RequestModel):
    """The password and a code of the device that shall be asked no more."""

    password: Text
    totp_code: Code


class ClientBody(RequestModel):
    """A program, and all that its credentials may ever be allowed."""

    name: ProgramName
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=16)]


class CredentialBody(RequestModel):
    """One thing more by which a program proves itself; no scopes: all that it has."""

    kind: CredentialKind
    scopes: Annotated[list[Scope], Field(max_length=16)] = Field(default_factory=list)


class Answer(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RegisteredAnswer(Answer):
    """Who one is from now on: `client_id` owns accounts, handles and payments."""

    user_id: UUID
    client_id: str


class TokenAnswer(Answer):
    """Tokens of a session. `expires_in` (seconds) is the access token's."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str
    session_id: UUID
    session_expires_at: datetime


class ClientTokenAnswer(Answer):
    """A program's token, as RFC 6749 has it. `expires_in` counts seconds."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str


class TotpAnswer(Answer):
    """The secret of a device, in base32 and as the URI that a QR code shows. It is shown once."""

    secret: str
    uri: str


class SessionAnswer(Answer):
    """One living session; `is_this` says that the request came by it."""

    session_id: UUID
    with_totp: bool
    started_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    is_this: bool


class ClientAnswer(Answer):
    """A program."""

    client_id: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


class CredentialAnswer(Answer):
    """A credential; its secret is not kept, its prefix tells it from others."""

    credential_id: UUID
    client_id: str
    kind: CredentialKind
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewCredentialAnswer(CredentialAnswer):
    """A new credential with its secret, which is shown this once."""

    secret: str


class KeySetAnswer(Answer):
    """A JWK Set (RFC 7517)."""

    keys: list[dict[str, Any]]
