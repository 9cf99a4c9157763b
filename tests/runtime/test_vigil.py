"""What ends before it was asked to is told, and ends the process."""

import asyncio

import pytest

from runtime.clock import SystemClock
from runtime.vigil import Vigil, until_deserted
from tests.support.waiting import eventually


async def forever() -> None:
    await asyncio.sleep(3_600)


async def broken() -> None:
    raise RuntimeError("nobody foresaw this")


async def short() -> None:
    return


class QuickClock(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)


@pytest.mark.parametrize("work", [broken, short])
async def test_work_that_ends_by_itself_ends_the_process(work: object) -> None:
    ends: list[bool] = []
    vigil = Vigil("ended_unasked", on_end=lambda: ends.append(True))
    assert callable(work)
    vigil.keep(forever(), name="long")
    vigil.keep(work(), name="short")
    await eventually(lambda: ends)
    vigil.end()
    assert ends == [True]


async def test_work_that_somebody_cancels_ends_the_process() -> None:
    ends: list[bool] = []
    vigil = Vigil("ended_unasked", on_end=lambda: ends.append(True))
    vigil.keep(forever(), name="long")
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await eventually(lambda: ends)


async def test_an_end_that_was_asked_for_is_none() -> None:
    ends: list[bool] = []
    vigil = Vigil("ended_unasked", on_end=lambda: ends.append(True))
    vigil.keep(forever(), name="long")
    [task] = asyncio.all_tasks() - {asyncio.current_task()}
    vigil.end()
    await asyncio.wait([task])
    assert ends == []


async def test_a_stage_is_deserted_once_no_reader_is_left() -> None:
    readers: list[asyncio.Task[None]] = []
    waiting = asyncio.create_task(until_deserted(lambda: readers, QuickClock()))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done(), "nobody has begun to read yet"

    readers += [asyncio.create_task(forever()) for _ in range(2)]
    readers[0].cancel()
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done(), "one reads on"

    readers[1].cancel()
    await asyncio.wait_for(waiting, 5)
