"""Faults of processes: killed, stopped, doubled, told to die at a point."""

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Final

from runtime.crash_points import Death, Point
from titan.chaos.ghosts import haunt
from titan.chaos.scene import STRIKE_S_MAX, Scene, Strike
from titan.chaos.schedule import DECIDING, Fault, Kind
from titan.chaos.switchboard import KAFKA, POSTGRES, SERVERS, VALKEY
from titan.chaos.target import SESSION_MS
from titan.chaos.waiting import StuckError, until
from titan.edge import EDGE_PROCESSES

_GHOSTS: Final = 2
_STAY_S: Final = 0.3
_BURST: Final = 60

_EDGE_POINTS: Final = (Point.PUBLISH_BEFORE, Point.PUBLISH_SENT, Point.PUBLISH_ACKED)
_PLAIN_POINTS: Final = (
    *(Point.FETCH_BEFORE, Point.FETCH_AFTER, Point.DECODE_BEFORE, Point.DECODE_AFTER),
    *(Point.EFFECT_BEFORE, Point.EFFECT_AFTER),
    *(Point.COMMIT_BEFORE, Point.COMMIT_SENT, Point.COMMIT_ACKED),
    *(Point.OFFSETS_BEFORE, Point.OFFSETS_SENT, Point.OFFSETS_ACKED),
)
_INBOX_POINTS: Final = (Point.INBOX_BEFORE, Point.INBOX_AFTER)
WITHOUT_INBOX: Final = frozenset({"payment_projection", "event_feed", "webhooks"})
"""Stages that repetition does no harm: they read no inbox."""
WITHOUT_OUTCOME: Final = WITHOUT_INBOX | {"notifications"}
"""Stages that publish nothing but dead letters: what comes of their events are rows."""


async def kill(scene: Scene, fault: Fault) -> None:
    """SIGKILL to a stage or an edge; whoever looks after it starts it again."""
    await scene.target.kill_child(scene.child(fault.target))


async def kill_client(scene: Scene, _fault: Fault) -> None:
    """SIGKILL to the client, which then goes on from its journal."""
    await scene.target.kill_child(scene.payer.child)


async def kill_all(scene: Scene, _fault: Fault) -> None:
    """SIGKILL to every process of Titan and to all servers."""
    target = scene.target
    await asyncio.gather(
        *map(target.kill_child, target.titan.children), *map(target.kill_server, SERVERS)
    )


async def flap(scene: Scene, fault: Fault) -> None:
    """Let the client's own server answer badly for a while, or not at all."""
    before = scene.receiver.heard_bytes
    scene.receiver.flap(fault.duration_s)
    scene.payer.say(f"burst {_BURST}")
    await asyncio.sleep(fault.duration_s)
    await until(
        lambda: scene.receiver.failed_since(before), STRIKE_S_MAX, "a delivery to be answered badly"
    )


async def pause(scene: Scene, fault: Fault) -> None:
    """Stop a process and let it go on as if nothing had been."""
    child = scene.child(fault.target)
    await until(lambda: child.pid is not None, STRIKE_S_MAX, f"{fault.target} to run")
    with scene.target.held(child.pid):
        await asyncio.sleep(fault.duration_s)


def _points_of(room: str) -> tuple[Point, ...]:
    """Where a room passes in ordinary traffic."""
    if room in EDGE_PROCESSES:
        return _EDGE_POINTS
    return (
        *_PLAIN_POINTS,
        *(() if room in WITHOUT_INBOX else _INBOX_POINTS),
        *(() if room in WITHOUT_OUTCOME else _EDGE_POINTS),
    )


async def crash_point(scene: Scene, fault: Fault) -> None:
    """Let a room die at one of its points."""
    room = fault.target
    points = _points_of(room)
    child = scene.child(room)
    deaths = child.deaths
    # Some rooms have little to do in ordinary traffic.
    scene.payer.say("newcomer")
    scene.payer.say(f"burst {_BURST}")
    await scene.order(room, points[fault.draw % len(points)], Death.KILL)
    await until(lambda: child.deaths > deaths, STRIKE_S_MAX, f"the death of {room}")


async def zombie(scene: Scene, fault: Fault) -> None:
    """Stop a member in the middle of its work until another has done it, then wake it."""
    async with scene.target.twin_of(scene.child(fault.target)):
        scene.payer.say(f"burst {_BURST}")
        # It has a transaction open, knows nothing of these events, and holds no lock yet.
        pid = await scene.order(fault.target, Point.INBOX_AFTER, Death.STOP)
        try:
            # Nobody misses it before its session is over; then the other has all partitions.
            await asyncio.sleep(SESSION_MS / 1000)
            scene.payer.say(f"burst {_BURST}")
            await until(lambda: scene.watcher.oldest_s() < 1, STRIKE_S_MAX, "the other member")
        finally:
            os.kill(pid, signal.SIGCONT)


async def rebalances(scene: Scene, _fault: Fault) -> None:
    """Members join the groups and leave them while batches are in progress."""
    for _ in range(_GHOSTS):
        scene.payer.say(f"burst {_BURST}")
    visits = await asyncio.gather(
        *(
            haunt(stage, bootstrap=scene.bootstrap, times=_GHOSTS, stay_s=_STAY_S)
            for stage in (*DECIDING, "payment_projection")
        )
    )
    if sum(visits) == 0:
        raise StuckError("no ghost was let into any group")


def _server_strike(name: str, *, is_kill: bool) -> Strike:
    async def strike(scene: Scene, fault: Fault) -> None:
        if is_kill:
            await scene.target.kill_server(name)
            return
        server = scene.target.server(name)
        await until(lambda: server.is_running, STRIKE_S_MAX, f"{name} to run")
        with scene.target.held(server.pid):
            await asyncio.sleep(fault.duration_s)

    return strike


STRIKES: Final[Mapping[Kind, Strike]] = {
    Kind.KILL_STAGE: kill,
    Kind.KILL_EDGE: kill,
    Kind.KILL_CLIENT: kill_client,
    Kind.KILL_ALL: kill_all,
    Kind.KILL_KAFKA: _server_strike(KAFKA, is_kill=True),
    Kind.KILL_POSTGRES: _server_strike(POSTGRES, is_kill=True),
    Kind.KILL_VALKEY: _server_strike(VALKEY, is_kill=True),
    Kind.PAUSE_STAGE: pause,
    Kind.PAUSE_EDGE: pause,
    Kind.KILL_DELIVERY: kill,
    Kind.PAUSE_DELIVERY: pause,
    Kind.FLAPPING: flap,
    Kind.PAUSE_KAFKA: _server_strike(KAFKA, is_kill=False),
    Kind.PAUSE_POSTGRES: _server_strike(POSTGRES, is_kill=False),
    Kind.PAUSE_VALKEY: _server_strike(VALKEY, is_kill=False),
    Kind.CRASH_POINT: crash_point,
    Kind.ZOMBIE: zombie,
    Kind.REBALANCES: rebalances,
}
