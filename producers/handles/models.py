"""The bodies that Handle Resolution reads and writes, as its API describes them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from projections.directory import ChangeKind
from runtime.http.body import RequestModel
from schemas.handle import HandleRefusalCode

Text = Annotated[str, Field(max_length=1_024)]
"""Text as typed; what it may hold is decided after it is normalised."""


class ClaimBody(RequestModel):
    """A handle to claim for an account, and the name that people see beside it."""

    handle: Text
    account_id: UUID
    display_name: Text


class PortBody(RequestModel):
    """The account that the handle is to name from now on."""

    account_id: UUID


class Answer(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HandleAnswer(Answer):
    """What a handle names. `version` counts the changes of the handle, from 1.

    `display_name` is null once the holder was forgotten.
    """

    handle: str
    account_id: UUID
    display_name: str | None
    currency: str
    version: int


class ChangeAnswer(Answer):
    """What became of a request about a handle.

    Of a refused one `code` says why; else `version` is the handle's from that change on.
    """

    request_id: UUID
    handle: str
    state: ChangeKind
    version: int | None
    account_id: UUID | None
    code: HandleRefusalCode | None
    requested_at: datetime


class PendingAnswer(Answer):
    """A request that is in the log and not decided yet."""

    request_id: UUID
    handle: str
    state: Literal["requested"]
