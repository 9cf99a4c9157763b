"""`titan up`: everything on this machine, until Ctrl-C; with --demo, money moves at once."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, suppress
from typing import Annotated, Final

import typer

from domain.errors import TitanError
from runtime.clock import Clock, SystemClock
from runtime.settings import Settings
from titan.demo import (
    Demonstration,
    demonstrate,
    say_demonstration,
    say_what_to_try,
)
from titan.demo_webhooks import open_demo_webhooks
from titan.edge_client import EdgeClient
from titan.endpoints import connected_settings
from titan.local_titan import LocalTitan
from titan.sample_command import line_of, load_people
from titan.terminal import BAD_INPUT, CHECK_FAILED, JsonOption, fail, say, say_json_line

INTERRUPTED: Final = 130
"""The exit status of a command that Ctrl-C ended before it had done its work."""

DemoOption = Annotated[
    bool, typer.Option("--demo", help="Load sample data, pay 10.00 USD, show the journey.")
]
OnceOption = Annotated[bool, typer.Option("--once", help="End after the demo's journey.")]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="Processes that share the stages, and one more for those that only tell people; "
        "default: one a core.",
    ),
]

_DEMO_WARNING: Final = (
    "Demo: it listens on this machine only, asks nobody for credentials, keeps one copy of "
    "everything (replication 1), lets anybody pay from the treasury and webhooks lead to this "
    "machine. Keep it off networks."
)


def up(
    *,
    demo: DemoOption = False,
    once: OnceOption = False,
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the servers, the edges and all stages, and keep them running until Ctrl-C."""
    if once and not demo:
        fail("--once ends after the demo's journey: give --demo as well", exit_code=BAD_INPUT)
    run = Run(Settings(), processes=processes or cores(), as_json=as_json)
    raise typer.Exit(asyncio.run(run.run(demo=demo, once=once)))


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Run:
    """One `titan up`, from start to stop."""

    def __init__(self, settings: Settings, *, processes: int, as_json: bool) -> None:
        self._settings = settings
        self._as_json = as_json
        self._clock: Clock = SystemClock()
        self._titan = LocalTitan(
            settings,
            processes=processes,
            clock=self._clock,
            say=self._say_mishap,
            progress=self._say_progress,
        )
        self._is_stopping = False

    async def run(self, *, demo: bool, once: bool) -> int:
        """Start, show, serve, stop; the exit status."""
        body = asyncio.create_task(self._body(demo=demo, once=once))
        self._listen(body)
        try:
            return await body
        except asyncio.CancelledError:
            return INTERRUPTED
        finally:
            self._is_stopping = True
            await self._stop()

    async def _stop(self) -> None:
        was_running = self._titan.is_running
        if was_running:
            self._say_progress("Stopping (Ctrl-C again: by force)")
        began_s = self._clock.monotonic_s()
        await self._titan.stop()
        if was_running:
            took_s = self._clock.monotonic_s() - began_s
            self._say_progress(f"Stopped in {took_s:.1f} s; the data is in {self._titan.directory}")

    def _listen(self, body: asyncio.Task[int]) -> None:
        def on_signal() -> None:
            if self._is_stopping:
                # Asked twice: whoever asks does not want to wait.
                self._titan.kill()
                os._exit(INTERRUPTED)
            self._is_stopping = True
            body.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, on_signal)

    async def _body(self, *, demo: bool, once: bool) -> int:
        if self._settings.is_demo:
            self._say_progress(_DEMO_WARNING)
        await self._titan.start()
        serving = asyncio.create_task(self._titan.serve())
        beside = AsyncExitStack()
        try:
            shown = await self._show(beside) if demo else None
            if once:
                return 0 if shown is not None and shown.is_posted else CHECK_FAILED
            if shown is not None and not self._as_json:
                say_what_to_try(
                    handles_url=self._titan.handles_url,
                    payments_url=self._titan.payments_url,
                    payment_id=shown.payment_id,
                )
            self._say_progress("Ctrl-C stops everything")
            return await self._serve(serving)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            await beside.aclose()

    async def _serve(self, serving: asyncio.Task[None]) -> int:
        try:
            await serving
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
        # Whoever stops what only waited to be stopped has not cut anything short.
        return 0

    async def _show(self, beside: AsyncExitStack) -> Demonstration | None:
        """Load, pay and say what happened; None if it could not be shown.

        What listens for the demo's webhooks is opened in `beside`, and goes on listening.
        """
        settings = connected_settings()
        try:
            loaded = await load_people(settings, clock=self._clock, shown=not self._as_json)
            self._say_progress(line_of(loaded))
            webhooks = await beside.enter_async_context(
                open_demo_webhooks(settings, clock=self._clock)
            )
            async with EdgeClient(settings, clock=self._clock) as client:
                shown = await demonstrate(
                    client, webhooks=webhooks, settings=settings, clock=self._clock
                )
        except TitanError as error:
            self._say_mishap(str(error))
            return None
        if self._as_json:
            say_json_line({"demonstration": shown.as_json()})
        else:
            say_demonstration(shown)
        return shown

    def _say_progress(self, line: str) -> None:
        self._say("progress", line)

    def _say_mishap(self, line: str) -> None:
        self._say("mishap", line)

    def _say(self, kind: str, line: str) -> None:
        # A closed window must not keep the rest from stopping cleanly.
        with suppress(OSError):
            if self._as_json:
                say_json_line({kind: line})
            else:
                say(f"! {line}" if kind == "mishap" else line)
            sys.stdout.flush()
