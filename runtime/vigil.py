"""Watches over work that goes on in the background, and over who reads: neither may end unasked.

A task that ends in silence leaves a process that looks alive and does nothing, or never commits.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from runtime.clock import Clock

log = structlog.get_logger()

_LOOK_S: Final = 1.0


class Vigil:
    """Keeps tasks; one that ends before it was asked to is said in the log, and `on_end` called.

    The line is named `event` and has what is `named`.
    """

    def __init__(
        self, event: str, *, on_end: Callable[[], None] = lambda: None, **named: str
    ) -> None:
        self._event = event
        self._on_end = on_end
        self._named = named
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False

    def keep(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Let the work go on, until `end`."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.add(task)

    def end(self) -> None:
        """Let everything end now."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()

    async def ended(self) -> None:
        """Let everything end, and return when it has."""
        self.end()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._is_over:
            return
        error = None if task.cancelled() else task.exception()
        log.critical(self._event, task=task.get_name(), exc_info=error, **self._named)
        self._on_end()


async def until_deserted(tasks: Callable[[], Sequence[asyncio.Task[Any]]], clock: Clock) -> None:
    """Return when there were readers and all of them have ended.

    FastStream starts a reader again that failed, but lets go of one that was cancelled.
    """
    while not (readers := tasks()) or not all(reader.done() for reader in readers):
        await clock.sleep(_LOOK_S)
