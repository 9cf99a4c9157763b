"""Who calls: the one seam through which every edge learns the client."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from runtime.settings import Profile, Settings

DEMO_CLIENT: Final = "demo"


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that calls the API; it owns its idempotency keys and what it made."""

    client_id: str


Authenticator = Callable[[Request], Awaitable[Caller]]
"""Who sent a request; ProblemError 401 if that cannot be told."""


async def demo_authenticator(_request: Request) -> Caller:
    """Everybody is the demo client: for one machine, on loopback."""
    return Caller(DEMO_CLIENT)


def authenticator_for(settings: Settings, given: Authenticator | None) -> Authenticator:
    """The authenticator to use; ends the process with one line where there may be none."""
    if given is not None:
        return given
    if settings.profile is Profile.DEMO:
        return demo_authenticator
    raise SystemExit(
        f"titan: the {settings.profile} profile does not start without an authenticator; "
        "give make_app one, or set TITAN_PROFILE=demo to try Titan on this machine alone"
    )


async def caller_of(request: Request) -> Caller:
    """The caller of this request."""
    authenticator: Authenticator = request.app.state.authenticator
    return await authenticator(request)


TheCaller = Annotated[Caller, Depends(caller_of)]
"""A route's parameter that gives the caller."""
