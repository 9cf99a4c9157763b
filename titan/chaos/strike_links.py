"""Faults of links: slow, cut, swallowed, or just the reply lost that tells of a success."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from titan.chaos.proxy import Link
from titan.chaos.scene import Scene, Strike
from titan.chaos.schedule import Fault, Kind
from titan.chaos.switchboard import CLIENTS, KAFKA, POSTGRES, VALKEY
from titan.chaos.waiting import until

_DELAYS_S: Final = (0.02, 0.08, 0.25)
_CUT_EVERY_S: Final = 0.2
_LOSE_S_MAX: Final = 8.0
_BURST: Final = 40


def _slow(server: str) -> Strike:
    async def strike(scene: Scene, fault: Fault) -> None:
        links = _links(scene, fault, server)
        for link in links:
            link.delay_s = _DELAYS_S[fault.draw % len(_DELAYS_S)]
        try:
            await asyncio.sleep(fault.duration_s)
        finally:
            for link in links:
                link.delay_s = 0.0

    return strike


def _cut(server: str) -> Strike:
    async def strike(scene: Scene, fault: Fault) -> None:
        """Cut again and again; every other time, nobody is let in again meanwhile."""
        links = _links(scene, fault, server)
        with _refusing(links, is_refusing=fault.draw % 2 == 0):
            for _ in range(1 + int(fault.duration_s / _CUT_EVERY_S)):
                for link in links:
                    link.cut()
                await asyncio.sleep(_CUT_EVERY_S)

    return strike


def _swallow(server: str) -> Strike:
    async def strike(scene: Scene, fault: Fault) -> None:
        """What was held comes late or, every other time, never."""
        links = _links(scene, fault, server)
        for link in links:
            link.hold()
        try:
            await asyncio.sleep(fault.duration_s)
        finally:
            for link in links:
                if fault.draw % 2 == 0:
                    link.cut()
                link.release()

    return strike


def _lose(server: str, spy: str) -> Strike:
    async def strike(scene: Scene, fault: Fault) -> None:
        links = _links(scene, fault, server)
        before = _lost(links)
        for link in links:
            link.lose_reply(spy)
        try:
            scene.payer.say(f"burst {_BURST}")
            await until(lambda: _lost(links) > before, _LOSE_S_MAX, f"a lost reply: {spy}")
        finally:
            for link in links:
                link.keep_replies()

    return strike


STRIKES: Final[Mapping[Kind, Strike]] = {
    Kind.DELAY_KAFKA: _slow(KAFKA),
    Kind.DELAY_POSTGRES: _slow(POSTGRES),
    Kind.DELAY_VALKEY: _slow(VALKEY),
    Kind.CUT_KAFKA: _cut(KAFKA),
    Kind.CUT_POSTGRES: _cut(POSTGRES),
    Kind.CUT_VALKEY: _cut(VALKEY),
    Kind.CUT_CLIENTS: _cut(CLIENTS),
    Kind.HOLE_KAFKA: _swallow(KAFKA),
    Kind.HOLE_POSTGRES: _swallow(POSTGRES),
    Kind.HOLE_VALKEY: _swallow(VALKEY),
    Kind.LOSE_COMMIT: _lose(POSTGRES, "commit"),
    Kind.LOSE_PRODUCE: _lose(KAFKA, "produce"),
    Kind.LOSE_OFFSETS: _lose(KAFKA, "offsets"),
    Kind.LOSE_CACHE: _lose(VALKEY, "reply"),
    Kind.LOSE_ANSWER: _lose(CLIENTS, "answer"),
}


@contextmanager
def _refusing(links: Sequence[Link], *, is_refusing: bool) -> Iterator[None]:
    for link in links:
        link.is_refusing = is_refusing
    try:
        yield
    finally:
        for link in links:
            link.is_refusing = False


def _links(scene: Scene, fault: Fault, server: str) -> list[Link]:
    return scene.board.links(scene.program(fault.target), server)


def _lost(links: Sequence[Link]) -> int:
    return sum(link.lost.total() for link in links)
