"""Several things at once, of which each is needed: the first error is everybody's."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def all_of(works: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Run all until they are done; an error ends the others and is raised as it is.

    A task group would wrap it, and who called could no longer tell its kind.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
