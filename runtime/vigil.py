"""Watches over work that goes on beside the batches, and over who reads: neither may end unasked.

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
    """Keeps tasks, and calls `on_end` when one of them ends before it was asked to."""

    def __init__(self, stage: str, *, on_end: Callable[[], None]) -> None:
        self._stage = stage
        self._on_end = on_end
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

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._is_over:
            return
        error = None if task.cancelled() else task.exception()
        log.critical("ended_unasked", stage=self._stage, task=task.get_name(), exc_info=error)
        self._on_end()


async def until_deserted(tasks: Callable[[], Sequence[asyncio.Task[Any]]], clock: Clock) -> None:
    """Return when there were readers and all of them have ended.

    FastStream starts a reader again that failed, but lets go of one that was cancelled.
    """
    while not (readers := tasks()) or not all(reader.done() for reader in readers):
        await clock.sleep(_LOOK_S)
