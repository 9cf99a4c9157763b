"""Who calls: the one seam through which every edge learns the client."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from runtime.http.problem import ProblemError
from runtime.settings import Settings, is_loopback

DEMO_CLIENT: Final = "demo"


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that calls the API; it owns its idempotency keys and what it made."""

    client_id: str


Authenticator = Callable[[Request], Awaitable[Caller]]
"""Who sent a request; ProblemError 401 if that cannot be told."""


async def demo_authenticator(request: Request) -> Caller:
    """Everybody on this machine is the demo client; ProblemError 403 to whoever calls from afar.

    The settings bind the demo to loopback, but a server started by hand may have been told to
    listen elsewhere.
    """
    if request.client is None or not is_loopback(request.client.host):
        raise ProblemError(403, "demo_is_local", "the demo answers callers on its own machine only")
    return Caller(DEMO_CLIENT)


async def container_demo_authenticator(_request: Request) -> Caller:
    """Everybody is the demo client: the container's ports are published on loopback only."""
    return Caller(DEMO_CLIENT)


def authenticator_for(settings: Settings, given: Authenticator | None) -> Authenticator:
    """The authenticator to use; ends the process with one line where there may be none."""
    if given is not None:
        return given
    if settings.is_demo:
        return container_demo_authenticator if settings.demo_in_container else demo_authenticator
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
