"""A flood of wrong passwords: what somebody who signs in, and payments, feel of it.

Fifty connections send the next wrong password as soon as the last was answered: once all of them
from one address, once each from an address of its own. Meanwhile somebody signs in again and again
from another address, and a backlog of payments is drained, which uses the whole machine.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bench.figures import Figure, percentile
from bench.flow import Flow
from bench.http_client import Client, post_request
from bench.place import GENERATOR
from bench.rig import Rig

CONNECTIONS: Final = 50

_PASSWORD: Final = "correct horse battery"  # noqa: S105 - of nobody
_EMAIL: Final = "somebody@example.com"
_SOMEBODY: Final = "127.0.0.2"
_ONE: Final = ["127.0.1.1"]
_MANY: Final = [f"127.0.1.{number + 1}" for number in range(CONNECTIONS)]
_PAUSE_S: Final = 1.0
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_REGISTERED: Final = (201, 409)
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


async def measure_flood(rig: Rig, count: int) -> list[Figure]:
    """The rate of payments and the time of a sign-in without a flood, and with each of the two."""
    await _register(rig)
    figures: list[Figure] = []
    quiet_per_s = 0.0
    for name, addresses in (("no flood", []), ("one address", _ONE), ("50 addresses", _MANY)):
        async with _flooded(rig, addresses) as felt:
            rate_per_s = await _drained_per_s(rig, count, name=f"flood-{len(addresses)}")
        quiet_per_s = quiet_per_s or rate_per_s
        figures += _figures(name, felt, rate_per_s, rate_per_s / quiet_per_s)
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
    body = {"email": _EMAIL, "password": _PASSWORD}
    status, answer = await client.ask(_post("/auth/register", {**body, "display_name": "Somebody"}))
    if status not in _REGISTERED:
        raise RuntimeError(f"POST /auth/register answered {status}: {answer!r}")
    status, answer = await client.ask(_post("/auth/login", body))
    if status != _OK:
        raise RuntimeError(f"POST /auth/login answered {status}: {answer!r}")
    await client.close()


async def _drained_per_s(rig: Rig, count: int, *, name: str) -> float:
    async with Flow(rig.place.bootstrap, clock=rig.clock) as flow:
        drain = await flow.drain(
            count,
            lambda: rig.publish(rig.people.payments(count, name=name)),
            held=rig.place.held(),
            meter=rig.place.meter,
            free=GENERATOR,
        )
    return drain.rate_per_s


@asynccontextmanager
async def _flooded(rig: Rig, addresses: list[str]) -> AsyncIterator[Felt]:
    felt, over = Felt(), asyncio.Event()
    somebody = Client(rig.place.auth_url, local_hosts=[_SOMEBODY])
    flood = Client(rig.place.auth_url, local_hosts=addresses)
    await somebody.connect(1)
    lanes = CONNECTIONS if addresses else 0
    await flood.connect(lanes)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_sign_in(rig, somebody, felt, over))
        for lane in range(lanes):
            tasks.create_task(_guess(rig, flood, lane, felt, over))
        try:
            yield felt
        finally:
            over.set()
    await somebody.close()
    await flood.close()


async def _sign_in(rig: Rig, client: Client, felt: Felt, over: asyncio.Event) -> None:
    """Once a second or so: more often one is told to wait."""
    while not over.is_set():
        await rig.clock.sleep(_PAUSE_S)
        began_s = rig.clock.monotonic_s()
        body = {"email": _EMAIL, "password": _PASSWORD}
        status, _ = await client.ask(_post("/auth/login", body))
        took_ms = (rig.clock.monotonic_s() - began_s) * 1000
        felt.sign_ins_ms.append(took_ms)
        felt.refused += status != _OK


async def _guess(rig: Rig, client: Client, lane: int, felt: Felt, over: asyncio.Event) -> None:
    number = 0
    while not over.is_set():
        number += 1
        body = {"email": f"victim-{lane}-{number}@example.com", "password": f"guess {number}"}
        began_s = rig.clock.monotonic_s()
        status, _ = await client.ask(_post("/auth/login", body))
        felt.flood_ms.append((rig.clock.monotonic_s() - began_s) * 1000)
        felt.looked_at += status == _UNAUTHORIZED
        felt.failed += status >= _SERVER_ERROR


def _post(path: str, body: dict[str, str]) -> bytes:
    return post_request(path, json.dumps(body).encode(), key="none")
