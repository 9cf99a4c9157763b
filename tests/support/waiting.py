"""Wait for a condition, never for a time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_INTERVAL_S = 0.02


@overload
async def eventually(condition: Callable[[], Awaitable[T]], timeout_s: float = 30.0) -> T: ...
@overload
async def eventually(condition: Callable[[], T], timeout_s: float = 30.0) -> T: ...
async def eventually(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """What the condition first answers that is true; it may be a coroutine function.

    An AssertionError inside it counts as "not yet" until the time is up, and is then the one that
    is raised; any other error is raised at once. Without one, running out of time is an
    AssertionError that shows the last answer.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    while True:
        failure: AssertionError
        try:
            answered = condition()
            answer = await answered if inspect.isawaitable(answered) else answered
        except AssertionError as error:
            failure = error
        else:
            if answer:
                return answer
            failure = AssertionError(f"after {timeout_s} s still {answer!r}")
        if loop.time() >= deadline_s:
            raise failure
        await asyncio.sleep(POLL_INTERVAL_S)
