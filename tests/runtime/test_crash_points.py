"""Orders to die: heeded once, where they were given, and only in a test."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from runtime import crash_points
from runtime.crash_points import (
    ORDERED,
    REACHED,
    Death,
    OrderedError,
    Point,
    arm,
    crash_point,
    crash_point_in_flight,
)
from runtime.settings import Profile, Settings

ROOM = "ledger_posting"


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(crash_points, "_reach", None)
    for name in (ORDERED, REACHED):
        (tmp_path / name).mkdir()
    return tmp_path


def order(orders: Path, point: Point, death: Death) -> Path:
    """Where the mark will lie."""
    name = f"{ROOM}@{point}"
    (orders / ORDERED / name).write_text(death)
    return orders / REACHED / name


def armed(orders: Path) -> None:
    arm(Settings(profile=Profile.TEST, crash_directory=orders))


@pytest.mark.parametrize("profile", [Profile.DEMO, Profile.PRODUCTION])
def test_no_process_starts_with_it_outside_a_test(tmp_path: Path, profile: Profile) -> None:
    with pytest.raises(ValidationError, match="lets a test kill this process"):
        Settings(profile=profile, crash_directory=tmp_path)


def test_without_the_setting_no_order_is_heeded(orders: Path) -> None:
    mark = order(orders, Point.EFFECT_BEFORE, Death.EXCEPTION)
    arm(Settings(profile=Profile.TEST))

    crash_point(ROOM, Point.EFFECT_BEFORE)

    assert not mark.exists()


def test_an_order_is_heeded_once_in_its_room_and_at_its_point(orders: Path) -> None:
    mark = order(orders, Point.EFFECT_BEFORE, Death.EXCEPTION)
    armed(orders)

    crash_point("risk_screening", Point.EFFECT_BEFORE)
    crash_point(ROOM, Point.EFFECT_AFTER)
    assert not mark.exists()
    with pytest.raises(OrderedError):
        crash_point(ROOM, Point.EFFECT_BEFORE)
    crash_point(ROOM, Point.EFFECT_BEFORE)

    assert mark.read_text() == f"exception {os.getpid()}"


async def test_a_cancelled_task_meets_it_where_it_waits_next(orders: Path) -> None:
    order(orders, Point.EFFECT_BEFORE, Death.CANCEL)
    armed(orders)

    async def work() -> None:
        crash_point(ROOM, Point.EFFECT_BEFORE)
        await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())


@pytest.mark.parametrize("death", [Death.CANCEL, Death.EXCEPTION])
async def test_in_flight_is_after_what_comes_next_has_left(orders: Path, death: Death) -> None:
    order(orders, Point.COMMIT_SENT, death)
    armed(orders)
    sent = asyncio.Event()

    async def work() -> None:
        crash_point_in_flight(ROOM, Point.COMMIT_SENT)
        sent.set()
        await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())
    assert sent.is_set()


@pytest.fixture
def victim(orders: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that reaches a point at once."""
    program = (
        "from runtime.crash_points import *; from runtime.settings import Settings;"
        f"arm(Settings()); crash_point({ROOM!r}, Point.FETCH_BEFORE)"
    )
    order(orders, Point.FETCH_BEFORE, Death.STOP)
    environment = {"TITAN_PROFILE": "test", "TITAN_CRASH_DIRECTORY": str(orders)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, **environment}, cwd=Path.cwd()
    )
    yield process
    process.kill()
    process.wait()


def test_a_stopped_process_goes_on_when_it_is_let(victim: "subprocess.Popen[bytes]") -> None:
    _, status = os.waitpid(victim.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)

    victim.send_signal(signal.SIGCONT)

    assert victim.wait(10) == 0
