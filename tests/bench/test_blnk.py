"""The client of Blnk against a server that answers as Blnk's own sources and pages say."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.blnk import Blnk, Transfer
from bench.side_by_side import blnk_per_s
from runtime.clock import SystemClock

INSUFFICIENT = "insufficient funds in source balance"


@dataclass
class Server:
    """Ledgers, balances and transactions in memory, at /ledgers, /balances, /transactions."""

    url: str = ""
    key: str | None = None
    balances: dict[str, int] = field(default_factory=dict)
    references: set[str] = field(default_factory=set)
    ledgers: int = 0

    def answer(self, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        if self.key is not None and headers.get("x-blnk-key") != self.key:
            return 401, {"error": "Authentication required. Use X-Blnk-Key header"}
        match path:
            case "/ledgers":
                self.ledgers += 1
                return 201, {"ledger_id": f"ldg_{self.ledgers}", "name": body["name"]}
            case "/balances":
                name = f"bln_{len(self.balances)}"
                self.balances[name] = 0
                return 201, {"balance_id": name, "ledger_id": body["ledger_id"], "balance": 0}
            case "/transactions":
                return self.transact(body)
            case "/transactions/bulk":
                return self.transact_all(body["transactions"])
        return 404, {"error": "404 page not found"}

    def transact_all(self, bodies: list[Any]) -> tuple[int, Any]:
        answers = [self.transact(each) for each in bodies]
        if any(status != 201 for status, _ in answers):
            return 400, {"error": INSUFFICIENT, "batch_id": "bulk_1"}
        count = len(answers)
        return 201, {"batch_id": "bulk_1", "status": "applied", "transaction_count": count}

    def transact(self, body: Any) -> tuple[int, Any]:
        source, destination = body["source"], body["destination"]
        amount_minor = round(body["amount"] * body["precision"])
        if body["reference"] in self.references:
            return 409, {"error": "reference has already been used"}
        for name in (source, destination):
            if name.startswith("@"):
                self.balances.setdefault(name, 0)
            if name not in self.balances:
                return 404, {"error": f"balance {name} not found"}
        if self.balances[source] < amount_minor and not body.get("allow_overdraft"):
            return 400, {"error": INSUFFICIENT}
        self.references.add(body["reference"])
        self.balances[source] -= amount_minor
        self.balances[destination] += amount_minor
        status = "APPLIED" if body.get("skip_queue", True) else "QUEUED"
        return 201, {"transaction_id": "txn_1", "reference": body["reference"], "status": status}


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Server]:
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.strip().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines)
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                status, answer = server.answer(first.split(" ")[1], headers, body)
                text = json.dumps(answer).encode()
                writer.write(
                    b"HTTP/1.1 %d Answer\r\nContent-Type: application/json; charset=utf-8\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (status, len(text), text)
                )
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield server
    await asyncio.gather(*(task for task in serving if task is not None))


async def test_balances_are_opened_and_funded() -> None:
    async with running(Server()) as server, Blnk(server.url, key=None, connections=2) as blnk:
        balances = await blnk.open_balances(3, name="x", funds_minor=5_000)

    assert [server.balances[name] for name in balances] == [5_000] * 3


async def test_a_payment_is_applied_once_and_refused_without_funds() -> None:
    async with running(Server()) as server, Blnk(server.url, key=None, connections=2) as blnk:
        one, two = await blnk.open_balances(2, name="x", funds_minor=5_000)

        assert await blnk.pay(Transfer(one, two, 1_234, "a"))
        assert not await blnk.pay(Transfer(one, two, 1_234, "a"))
        assert not await blnk.pay(Transfer(one, two, 5_000, "b"))

    assert (server.balances[one], server.balances[two]) == (3_766, 6_234)


async def test_a_bulk_says_how_many_were_applied() -> None:
    async with running(Server()) as server, Blnk(server.url, key=None, connections=2) as blnk:
        one, two = await blnk.open_balances(2, name="x", funds_minor=5_000)

        assert await blnk.pay_in_bulk([Transfer(one, two, 100, f"{n}") for n in range(7)]) == 7
        assert await blnk.pay_in_bulk([Transfer(one, two, 10**9, "dear")]) == 0


async def test_a_server_with_keys_wants_one() -> None:
    async with running(Server(key="secret")) as server:
        async with Blnk(server.url, key="secret", connections=1) as blnk:
            assert len(await blnk.open_balances(1, name="x", funds_minor=1)) == 1
        async with Blnk(server.url, key=None, connections=1) as blnk:
            with pytest.raises(RuntimeError, match="401"):
                await blnk.open_balances(1, name="x", funds_minor=1)


async def test_the_same_payments_are_timed_one_by_one_and_in_bulk() -> None:
    async with running(Server()) as server:
        single_per_s, bulk_per_s = await blnk_per_s(server.url, None, 200, clock=SystemClock())

    assert single_per_s > 0
    assert bulk_per_s > 0
    assert len([each for each in server.references if "fund" not in each]) == 400
    assert sum(server.balances.values()) == 0
