"""The supervisor on real processes, small ones: what it promises holds whatever they run."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Defect
from runtime.clock import SystemClock
from tests.support.waiting import eventually
from titan.supervisor import (
    RESTART_FORGIVEN_S,
    RESTART_PAUSE_S,
    RESTART_PAUSE_S_MAX,
    Child,
    Program,
    Supervisor,
    how_it_ended,
    pause_before_restart_s,
)

SLEEPS = "import time; time.sleep(60)"
IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
ENDS_AT_ONCE = "import sys; sys.exit('the disk is full')"


class Place:
    """A data directory, what was said, and the children to end afterwards."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.said: list[str] = []
        self.children: list[Child] = []

    def child(self, code: str, *, name: str = "worker-1", stop_s_max: float = 5.0) -> Child:
        program = Program(
            name=name,
            arguments=[sys.executable, "-c", code],
            environment=dict(os.environ),
            mark=code,
            stop_s_max=stop_s_max,
        )
        child = Child(program, directory=self.directory, clock=SystemClock(), say=self.said.append)
        self.children.append(child)
        return child


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    for child in place.children:
        child.kill()


def runs(pid: int | None) -> bool:
    assert pid is not None
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@given(lives_s=st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_pauses_double_to_a_bound_and_a_long_life_is_forgiven(lives_s: list[float]) -> None:
    pause_s = 0.0
    for alive_s in lives_s:
        before_s, pause_s = pause_s, pause_before_restart_s(pause_s, alive_s)
        assert RESTART_PAUSE_S <= pause_s <= RESTART_PAUSE_S_MAX
        if before_s == 0 or alive_s >= RESTART_FORGIVEN_S:
            assert pause_s == RESTART_PAUSE_S
        else:
            assert pause_s == min(before_s * 2, RESTART_PAUSE_S_MAX)


async def test_a_killed_process_is_started_again_and_that_is_said(place: Place) -> None:
    child = place.child(SLEEPS)
    child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def is_another() -> bool:
        child.tend()
        return child.pid not in {None, first}

    await eventually(is_another)

    assert runs(child.pid)
    assert child.deaths == 1
    [line] = place.said
    assert line.startswith("worker-1 was killed by SIGKILL; starting it again in 0.2 s")
    assert str(child.log_path) in line


async def test_no_process_is_started_beside_itself(place: Place) -> None:
    child = place.child(SLEEPS)
    child.tend()
    first = child.pid
    with pytest.raises(Defect, match="worker-1 has been started already"):
        child.start()

    assert child.pid == first


async def test_a_process_that_keeps_dying_is_started_ever_more_seldom(place: Place) -> None:
    child = place.child(ENDS_AT_ONCE)
    child.start()

    def died_thrice() -> bool:
        child.tend()
        return child.deaths == 3

    await eventually(died_thrice)

    assert [line.partition(" in ")[2][:5] for line in place.said] == ["0.2 s", "0.4 s", "0.8 s"]
    assert child.last_words() == "the disk is full"


async def test_a_process_stops_on_sigterm_and_leaves_no_trace(place: Place) -> None:
    child = place.child(SLEEPS)
    child.start()
    pid = child.pid

    await child.stop()

    assert not runs(pid)
    assert place.said == []
    assert list((place.directory / "run").iterdir()) == []
    await child.stop()


async def test_a_process_that_does_not_stop_is_killed_after_its_bound(place: Place) -> None:
    child = place.child(IGNORES_SIGTERM, stop_s_max=0.2)
    child.start()
    pid = child.pid
    await eventually(lambda: child.last_words() == "deaf")

    await child.stop()

    assert not runs(pid)
    assert place.said == ["worker-1 did not stop in 0 s: killed"]


async def test_ctrl_c_in_the_terminal_does_not_reach_the_children(place: Place) -> None:
    child = place.child(SLEEPS)
    child.start()

    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid


async def test_children_die_with_their_supervisor(place: Place, tmp_path: Path) -> None:
    child = place.child(SLEEPS)
    supervising = f"""
import sys, time
from pathlib import Path
from runtime.clock import SystemClock
from titan.supervisor import Child, Program
program = Program(name="worker-1", arguments=[sys.executable, "-c", {SLEEPS!r}], environment={{}},
                  mark="", stop_s_max=1.0)
child = Child(program, directory=Path({str(tmp_path)!r}), clock=SystemClock(), say=print)
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", supervising),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert supervisor.stdout is not None
    pid = int(await supervisor.stdout.readline())
    await eventually(lambda: SLEEPS in psutil.Process(pid).cmdline())
    supervisor.kill()
    await supervisor.wait()

    await eventually(lambda: not runs(pid))
    assert not await child.end_leftover()


async def test_what_a_killed_run_left_is_ended_before_the_next(place: Place) -> None:
    before, after = place.child(SLEEPS), place.child(SLEEPS)
    before.start()
    await eventually(lambda: SLEEPS in psutil.Process(before.pid).cmdline())

    assert await after.end_leftover()

    assert not runs(before.pid)
    assert not await after.end_leftover()


async def test_edges_stop_before_workers(place: Place) -> None:
    notes = """
import pathlib, signal, sys, time
def stop(*_):
    with pathlib.Path({path!r}).open("a") as notes:
        notes.write("{name} ")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""
    path = place.directory / "notes"
    edge = place.child(notes.format(path=str(path), name="edge"), name="payments")
    worker = place.child(notes.format(path=str(path), name="worker"))
    supervisor = Supervisor(
        edges=[edge], workers=[worker], clock=SystemClock(), say=place.said.append
    )
    for child in supervisor.children:
        child.start()
    await eventually(lambda: {edge.last_words(), worker.last_words()} == {"ready"})

    await supervisor.stop()

    assert path.read_text() == "edge worker "
    assert place.said == []


async def test_a_second_ctrl_c_ends_even_what_does_not_listen(place: Place) -> None:
    deaf = place.child(IGNORES_SIGTERM)
    supervisor = Supervisor(edges=[], workers=[deaf], clock=SystemClock(), say=place.said.append)
    deaf.start()
    pid = deaf.pid
    await eventually(lambda: deaf.last_words() == "deaf")
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0)

    supervisor.kill()

    assert not runs(pid)
    await stopping


async def test_a_disk_that_takes_no_pid_file_is_said_once_and_does_not_end_the_supervisor(
    place: Place,
) -> None:
    child = place.child(SLEEPS)
    supervisor = Supervisor(edges=[], workers=[child], clock=SystemClock(), say=place.said.append)
    (place.directory / "run").write_text("a file where a directory has to be")

    for _ in range(3):
        supervisor.tend()

    [line] = place.said
    assert line.startswith("worker-1: ")
    (place.directory / "run").unlink()
    supervisor.tend()
    assert runs(child.pid)


@pytest.mark.parametrize(
    ("status", "words"),
    [(-9, "was killed by SIGKILL"), (70, "ended by itself with status 70")],
)
def test_the_way_it_ended_is_said_in_words(status: int, words: str) -> None:
    assert how_it_ended(status) == words
