"""A flood of wrong passwords: what somebody who signs in, and payments, feel of it.

Fifty connections send the next wrong password as soon as the last was answered: once all of them
from one address, once each from an address of its own. Meanwhile people sign in one after another
where they did before, and a backlog of payments is drained, which uses the whole machine. Before
and after each flood the same is drained without one.
"""

import asyncio
import json
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bench.figures import Figure, percentile
from bench.flow import Flow
from bench.http_client import Client, post_request
from bench.place import GENERATOR
from bench.rig import Rig
from titan.edge import EDGE_PROCESSES

CONNECTIONS: Final = 50

_PASSWORD: Final = "correct horse battery"  # noqa: S105 - of nobody
_AUTH: Final = next(name for name, rooms in EDGE_PROCESSES.items() if "auth" in rooms)
_PARTS: Final = (_AUTH, "postgres", GENERATOR)
_PEOPLE: Final = 18
"""They take turns: whoever signs in too often is told to wait."""
_SOMEBODY: Final = "127.0.0.2"
_ONE: Final = ["127.0.1.1"]
_MANY: Final = [f"127.0.1.{number + 1}" for number in range(CONNECTIONS)]
_PAUSE_S: Final = 0.5
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_DONE: Final = (200, 201, 409)
_TRIES_MAX: Final = 40
_SERVER_ERROR: Final = 500
_LOGIN_MS_MAX: Final = 1_000
_SHARE_MIN: Final = 0.8
_SHARED: Final = "auth, broker, database, all stages, this generator"


@dataclass
class Felt:
    """What came of all requests, in milliseconds."""

    sign_ins_ms: list[float] = field(default_factory=list)
    flood_ms: list[float] = field(default_factory=list)
    refused: int = 0
    """Sign-ins with the right password that were not let in: too much was going on."""
    looked_at: int = 0
    """Wrong passwords that were hashed."""
    failed: int = 0
    """Answers of the flood that were errors of ours, 503 among them."""
    cores: dict[str, float] = field(default_factory=dict)
    """Processors that each part took meanwhile."""


async def measure_flood(rig: Rig, count: int) -> list[Figure]:
    """The rate of payments and the time of a sign-in without a flood, and with each of the two."""
    await _register(rig)
    figures: list[Figure] = []
    before, felt = await _drained(rig, count, [], name="flood-none")
    figures += _figures("none", felt, before, 1.0)
    for name, addresses in (("from one address", _ONE), ("from 50 addresses", _MANY)):
        flooded, felt = await _drained(rig, count, addresses, name=f"flood-{len(addresses)}")
        after, _ = await _drained(rig, count, [], name=f"flood-{len(addresses)}-over")
        figures += _figures(name, felt, flooded, 2 * flooded / (before + after))
        before = after
    return figures


def _figures(name: str, felt: Felt, rate_per_s: float, share: float) -> list[Figure]:
    row = partial(Figure, group=f"{CONNECTIONS} wrong passwords at once: {name}", shared=_SHARED)
    found = [
        row(name="requested to posted", value=rate_per_s, unit="payments/s"),
        row(
            name="of the rate without a flood",
            value=share,
            unit="",
            target=_SHARE_MIN,
            more_is_better=True,
        ),
        row(
            name=f"a right sign-in of {len(felt.sign_ins_ms)}, p99",
            value=percentile(felt.sign_ins_ms, 99) if felt.sign_ins_ms else None,
            unit="ms",
            target=_LOGIN_MS_MAX,
        ),
        row(name="right sign-ins told to come again", value=felt.refused, unit=""),
        *(row(name=f"CPU of {part}", value=felt.cores[part], unit="cores") for part in _PARTS),
    ]
    if felt.flood_ms:
        found += [
            row(
                name=f"any answer of {len(felt.flood_ms)} to the flood, p99",
                value=percentile(felt.flood_ms, 99),
                unit="ms",
                target=_LOGIN_MS_MAX,
            ),
            row(name="wrong passwords that were hashed", value=felt.looked_at, unit=""),
            row(name="wrong passwords answered 5xx: busy", value=felt.failed, unit=""),
        ]
    return found


async def _register(rig: Rig) -> None:
    client = Client(rig.place.auth_url, local_hosts=[_SOMEBODY])
    await client.connect(1)
    for number in range(_PEOPLE):
        body = _credentials(number)
        await _insist(rig, client, "/auth/register", {**body, "display_name": "Somebody"})
        await _insist(rig, client, "/auth/login", body)
    await client.close()


async def _insist(rig: Rig, client: Client, path: str, body: dict[str, str]) -> None:
    """Ask until there is a turn: strangers have a share of the machine, and no more."""
    for _ in range(_TRIES_MAX):
        status, answer = await client.ask(_post(path, body))
        if status in _DONE:
            return
        await rig.clock.sleep(_PAUSE_S)
    raise RuntimeError(f"POST {path} answered {status}: {answer!r}")


async def _drained(rig: Rig, count: int, addresses: list[str], *, name: str) -> tuple[float, Felt]:
    """Payments a second, and what was felt meanwhile; the flood begins when the draining does."""
    felt, begun, over = Felt(), asyncio.Event(), asyncio.Event()
    somebody = Client(rig.place.auth_url, local_hosts=[_SOMEBODY])
    flood = Client(rig.place.auth_url, local_hosts=addresses)
    events = rig.people.payments(count, name=name)
    await somebody.connect(1)
    lanes = CONNECTIONS if addresses else 0
    await flood.connect(lanes)

    async def feed() -> None:
        # Making and sending the backlog keeps this process busy: it would not answer for others.
        await rig.publish(events)
        begun.set()

    async with asyncio.TaskGroup() as tasks, Flow(rig.place.bootstrap, clock=rig.clock) as flow:
        tasks.create_task(_sign_in(rig, somebody, felt, begun, over))
        for lane in range(lanes):
            tasks.create_task(_guess(rig, flood, lane, felt, begun, over))
        drain = await flow.drain(count, feed, held=rig.place.held(), meter=rig.place.meter, free="")
        over.set()
    per_us = count / 1e6 / drain.took_s
    felt.cores = {part: spent_us * per_us for part, spent_us in drain.cpu_us.items()}
    await somebody.close()
    await flood.close()
    return drain.rate_per_s, felt


async def _sign_in(
    rig: Rig, client: Client, felt: Felt, begun: asyncio.Event, over: asyncio.Event
) -> None:
    await begun.wait()
    number = 0
    while not over.is_set():
        await rig.clock.sleep(_PAUSE_S)
        number += 1
        began_s = rig.clock.monotonic_s()
        status, _ = await client.ask(_post("/auth/login", _credentials(number % _PEOPLE)))
        took_ms = (rig.clock.monotonic_s() - began_s) * 1000
        felt.sign_ins_ms.append(took_ms)
        felt.refused += status != _OK


async def _guess(
    rig: Rig, client: Client, lane: int, felt: Felt, begun: asyncio.Event, over: asyncio.Event
) -> None:
    await begun.wait()
    number = 0
    while not over.is_set():
        number += 1
        body = {"email": f"victim-{lane}-{number}@example.com", "password": f"guess {number}"}
        began_s = rig.clock.monotonic_s()
        status, _ = await client.ask(_post("/auth/login", body))
        felt.flood_ms.append((rig.clock.monotonic_s() - began_s) * 1000)
        felt.looked_at += status == _UNAUTHORIZED
        felt.failed += status >= _SERVER_ERROR


def _credentials(number: int) -> dict[str, str]:
    return {"email": f"somebody-{number}@example.com", "password": _PASSWORD}


def _post(path: str, body: dict[str, str]) -> bytes:
    return post_request(path, json.dumps(body).encode(), key="none")
