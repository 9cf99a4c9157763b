"""Who calls: the one word for it that every edge shares. Who may do what is in authorization.py."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from domain.errors import Defect

DEMO_CLIENT: Final = "demo"

CALLER: Final = "titan.caller"
"""Where the guard leaves the caller in a request's ASGI scope."""


class Kind(StrEnum):
    """What a caller is; each is let in where a rule names it, and nowhere else."""

    DEMO = "demo"
    """Anybody on this machine, in the demo profile only: no token, no bucket, no owner's check."""
    PERSON = "person"
    """Somebody who signed in; client_id is `user:<uuid>`."""
    PROGRAM = "program"
    """A client of the API with scopes; client_id is `client:<id>`."""
    ADMIN = "admin"
    """Staff: somebody who signed in and holds roles. Staff is no customer: it does not pay."""


class Role(StrEnum):
    """What staff may do; a rule names the roles it lets in."""

    ADMIN = "admin"
    ADMIN_READONLY = "admin-readonly"
    KYC_REVIEWER = "kyc-reviewer"
    SUPPORT = "support"


class Scope(StrEnum):
    """What a program may do; a rule names the one it needs."""

    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    HANDLES_READ = "handles:read"
    HANDLES_WRITE = "handles:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    EVENTS_READ = "events:read"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the API. `client_id` owns idempotency keys, accounts, handles and payments.

    Which handles of others a program may pay from is not known here: their holders say it
    (projections/payer_grants.py), and it is asked where handles are resolved.
    """

    client_id: str
    kind: Kind
    person_id: UUID | None = None
    session_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


DEMO: Final = Caller(DEMO_CLIENT, Kind.DEMO)

Authenticator = Callable[[Request], Awaitable[Caller]]
"""Who sent a request; ProblemError 401 if nobody believable, Unavailable if that cannot be told."""


async def caller_of(request: Request) -> Caller:
    """The caller of this request, as its route's rule has let it in."""
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None:
        raise Defect("a public route asks who calls")
    return caller


TheCaller = Annotated[Caller, Depends(caller_of)]
"""A route's parameter that gives the caller."""
