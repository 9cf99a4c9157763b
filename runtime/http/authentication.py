"""How an edge tells who calls: the demo by where it comes from, everybody else by a token."""

from starlette.requests import Request

from runtime.http.caller import DEMO, Authenticator, Caller
from runtime.http.problem import ProblemError
from runtime.settings import Settings, is_loopback


async def demo_authenticator(request: Request) -> Caller:
    """Everybody on this machine is the demo client; ProblemError 403 to whoever calls from afar.

    The settings bind the demo to loopback, but a server started by hand may have been told to
    listen elsewhere.
    """
    if request.client is None or not is_loopback(request.client.host):
        raise ProblemError(403, "demo_is_local", "the demo answers callers on its own machine only")
    return DEMO


async def container_demo_authenticator(_request: Request) -> Caller:
    """Everybody is the demo client: the container's ports are published on loopback only."""
    return DEMO


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
