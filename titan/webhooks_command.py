"""`titan webhooks`: see on this machine what endpoints are sent."""

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Annotated, Final

import typer

from runtime.clock import SystemClock
from titan.endpoints import connected_settings
from titan.terminal import JsonOption, command_group, say, say_json_line
from titan.webhook_endpoint import open_endpoint
from titan.webhook_listener import Heard, open_listener

app: Final[typer.Typer] = command_group("What endpoints of webhooks are sent.")

SECRETS_VARIABLE: Final = "WEBHOOK_SECRETS"
"""Secrets, parted by spaces: what stands in a command line, others on the machine can see."""

DESCRIPTION: Final = "titan webhooks listen"
"""What an endpoint is called that the command makes."""

PortOption = Annotated[
    int, typer.Option(min=0, max=65_535, help="Where to listen on this machine; 0: any.")
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        envvar=SECRETS_VARIABLE,
        help="whsec_... (v1) or whpk_... (v1a); any of several may have signed.",
    ),
]
StatusOption = Annotated[
    int, typer.Option(min=200, max=599, help="What to answer to what is verified.")
]
RegisterOption = Annotated[
    bool,
    typer.Option("--register", help="Make an endpoint for it at the demo that runs, until Ctrl-C."),
]
TypeOption = Annotated[
    list[str] | None, typer.Option("--type", help="With --register: only these, or `begin.*`.")
]
CountOption = Annotated[
    int | None, typer.Option(min=1, help="End after so many deliveries; default: with Ctrl-C.")
]


@app.command()
def listen(
    *,
    port: PortOption = 8_099,
    secret: SecretOption = None,
    status: StatusOption = 204,
    register: RegisterOption = False,
    event_type: TypeOption = None,
    count: CountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Receive webhooks, verify their signatures, and show each as it comes."""
    said = _Said(count, as_json=as_json)
    asyncio.run(
        _listen(
            said,
            port=port,
            status=status,
            secrets=[] if register else secret,
            event_types=(event_type or []) if register else None,
        )
    )


class _Said:
    """Shows what comes, and knows when it was enough."""

    def __init__(self, count: int | None, *, as_json: bool) -> None:
        self._left = count
        self._as_json = as_json
        self.is_over = asyncio.Event()

    def progress(self, line: str) -> None:
        if self._as_json:
            say_json_line({"progress": line})
        else:
            say(line)

    def hear(self, heard: Heard) -> None:
        if self._as_json:
            say_json_line(heard.as_json())
        else:
            say(_line(heard))
            say(f"  {heard.body}")
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.is_over.set()


async def _listen(
    said: _Said,
    *,
    port: int,
    status: int,
    secrets: list[str] | None,
    event_types: list[str] | None,
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, said.is_over.set)
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(
            open_listener(said.hear, clock=SystemClock(), port=port, status=status, secrets=secrets)
        )
        if event_types is not None:
            endpoint = open_endpoint(
                connected_settings(needed=()),
                listener.url,
                description=DESCRIPTION,
                event_types=event_types,
            )
            listener.trust(await stack.enter_async_context(endpoint))
        elif secrets is None:
            said.progress(f"No secret: nothing is verified. Set {SECRETS_VARIABLE}, or --secret.")
        said.progress(f"Listening at {listener.url}, answering {status}; Ctrl-C ends it")
        await said.is_over.wait()


def _line(heard: Heard) -> str:
    believed = "verified" if heard.is_verified else (heard.fault or "not verified")
    at = heard.heard_at.strftime("%H:%M:%S.%f")[:-3]
    return f"{at}  {heard.event_type}  {heard.delivery_id}  {believed}: answered {heard.status}"
