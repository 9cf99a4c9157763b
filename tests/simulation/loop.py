"""An event loop in which time is a number and chance is a seed.

Programs run on it as they are: asyncio's own tasks, futures and timeouts. What differs is who goes
next. Every callback belongs to a process; each process runs its callbacks in order, as one event
loop does, and between processes the seed decides, as the machines of a cluster do. While nobody
can run, the clock jumps to the next timer.

A process can be killed between any two of its steps, that is at every await that suspends: nothing
of it ever runs again, no `finally` and no `except`, as after SIGKILL. Or it can be frozen and
thawed, as by SIGSTOP and SIGCONT: it wakes up with the past in its hands.
"""

import asyncio
import contextvars
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

STEPS_MAX: Final = 400_000
"""A life that takes more steps than this runs in a circle."""

_PROCESS: Final[ContextVar["Process"]] = ContextVar("process")


class Process:
    """A program that runs, seen from outside: its callbacks, in their order."""

    def __init__(self, loop: "SimulatedLoop", name: str, *, is_mortal: bool) -> None:
        self.name = name
        self.is_mortal = is_mortal
        self.is_alive = True
        self.is_frozen = False
        self.is_runnable = False
        """Whether it is among those that may be next."""
        self.doing = "nothing"
        """What it is about: the story says in what it was interrupted."""
        self.ready: deque[asyncio.Handle] = deque()
        self._loop = loop
        self._context = contextvars.copy_context()
        self._context.run(_PROCESS.set, self)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine as part of this process, whoever asks."""
        return self._loop.create_task(work, context=self._context.copy())

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Call back as part of this process, unless it is dead by then."""
        self._loop.call_later(delay_s, callback, *args, context=self._context.copy())

    def visit(self, act: Callable[[], T]) -> T:
        """Do something at once, as a step of this process."""
        return self._context.copy().run(act)

    def kill(self) -> None:
        """Never run again."""
        self.is_alive = False
        self.ready.clear()
        self._loop.look_at(self)

    def freeze(self) -> None:
        """Stand still; what comes meanwhile waits."""
        self.is_frozen = True
        self._loop.look_at(self)

    def thaw(self) -> None:
        """Go on."""
        self.is_frozen = False
        self._loop.look_at(self)


def running() -> Process:
    """The process whose step this is."""
    return _PROCESS.get()


class SimulatedLoop:
    """Runs processes step by step; `before_step` may kill or freeze the one whose turn it is.

    It has what asyncio's tasks, futures, timeouts, events and locks ask of a loop, and no more:
    there are no sockets, threads or signals here.
    """

    def __init__(self, random: Random) -> None:
        self.before_step: Callable[[Process], None] | None = None
        self.failures: list[str] = []
        """Errors that nobody caught; a life that leaves one has failed."""
        self.steps = 0
        self._random = random
        self._for_asyncio = cast("asyncio.AbstractEventLoop", self)
        self._now_s = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Process, asyncio.TimerHandle]] = []
        self._runnable: list[Process] = []
        self._tasks: list[asyncio.Task[Any]] = []

    def process(self, name: str, *, is_mortal: bool = False) -> Process:
        """A new process."""
        return Process(self, name, is_mortal=is_mortal)

    def run(self, driver: Process, work: Coroutine[Any, Any, T]) -> T:
        """Run until this work, part of the driver, is done; then bury all that still waits."""
        asyncio._set_running_loop(self._for_asyncio)
        try:
            task = driver.spawn(work)
            while not task.done():
                self._step()
            return task.result()
        finally:
            self._bury()
            asyncio._set_running_loop(None)

    def _step(self) -> None:
        if not self._runnable:
            self._jump()
            return
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise RuntimeError("this life runs in a circle")
        process = self._runnable[int(self._random.random() * len(self._runnable))]
        if process.is_mortal and self.before_step is not None:
            self.before_step(process)
            if not process.is_alive or process.is_frozen:
                return
        handle = process.ready.popleft()
        if not process.ready:
            self.look_at(process)
        if not handle.cancelled():
            handle._run()

    def look_at(self, process: Process) -> None:
        """Note whether this process may be next."""
        is_runnable = bool(process.ready) and not process.is_frozen
        if is_runnable is not process.is_runnable:
            process.is_runnable = is_runnable
            if is_runnable:
                self._runnable.append(process)
            else:
                self._runnable.remove(process)

    def _jump(self) -> None:
        """Let the clock jump to the next timer, and all that is due then become ready."""
        if not self._timers:
            raise RuntimeError("nobody can run and nobody waits for a time")
        self._now_s = max(self._now_s, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._now_s:
            _, _, process, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._make_ready(process, handle)

    def _make_ready(self, process: Process, handle: asyncio.Handle) -> None:
        """Put a callback last in its process's line; the dead have none."""
        if process.is_alive:
            process.ready.append(handle)
            if not process.is_runnable:
                self.look_at(process)

    def _bury(self) -> None:
        """Close what the dead and the waiting left, here and not whenever memory is collected."""
        grave = self.process("the grave")
        grave.kill()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                grave.visit(task.get_coro().close)
            elif not task.cancelled() and task._log_traceback:
                self.failures.append(repr(task.exception()))
        self._tasks.clear()

    # -- What asyncio asks of a loop ----------------------------------------------------------
    def time(self) -> float:
        return self._now_s

    def get_debug(self) -> bool:
        return False

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._for_asyncio, context)
        process = running() if context is None else context[_PROCESS]
        self._make_ready(process, handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self._for_asyncio, context)
        process = running() if context is None else context[_PROCESS]
        heapq.heappush(self._timers, (when, next(self._order), process, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._for_asyncio)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self._for_asyncio, name=name, context=context)
        # Kept: a killed task must not be closed, and so run its `finally`, before the end.
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(str(context.get("message")))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: a cancelled timer is skipped when it is due."""
