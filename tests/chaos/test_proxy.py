"""A link between a client and a server that both know nothing of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.waiting import eventually
from titan.chaos.proxy import Link
from titan.chaos.spies import AnySpy, PostgresSpy
from titan.servers.ports import LOOPBACK

COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00Z\x00\x00\x00\x05I"


class Server:
    """Answers each piece of data: a COMMIT as PostgreSQL does, anything else with itself."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            self.heard.append(data)
            writer.write(COMMITTED if data == COMMIT else data)
        writer.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes) -> bytes:
        """The answer; empty once the connection has ended."""
        self.writer.write(data)
        async with asyncio.timeout(5):
            try:
                return await self.reader.read(1024)
            except ConnectionResetError:
                return b""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, LOOPBACK, 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


@pytest.fixture
async def link(server: Server) -> AsyncIterator[Link]:
    link = Link("x to y", {"commit": PostgresSpy, "reply": AnySpy}, target_port=server.port)
    await link.listen()
    yield link
    await link.close()


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection(LOOPBACK, link.port))
    try:
        yield client
    finally:
        client.writer.transport.abort()


async def test_a_link_hands_on_what_both_say(link: Link) -> None:
    async with connected(link) as client:
        assert await client.ask(b"hello") == b"hello"
        assert await client.ask(COMMIT) == COMMITTED


async def test_a_cut_ends_what_is_open_and_lets_in_who_comes_again(link: Link) -> None:
    async with connected(link) as client, connected(link) as other:
        await client.ask(b"x")
        await other.ask(b"x")
        assert link.cut() == 2
        assert await client.ask(b"y") == await other.ask(b"y") == b""
    async with connected(link) as client:
        assert await client.ask(b"z") == b"z"


async def test_who_is_refused_hears_it_at_once(link: Link) -> None:
    link.is_refusing = True
    async with connected(link) as client:
        assert await client.ask(b"x") == b""


async def test_what_is_held_comes_late_and_whole(link: Link, server: Server) -> None:
    async with connected(link) as client:
        await client.ask(b"x")
        link.hold()
        asking = asyncio.create_task(client.ask(b"held"))
        async with connected(link) as newcomer:
            also = asyncio.create_task(newcomer.ask(b"new"))
            done, _ = await asyncio.wait([asking, also], timeout=0.2)
            assert (done, server.heard) == (set(), [b"x"])

            link.release()

            assert (await asking, await also) == (b"held", b"new")


async def test_what_is_slow_takes_its_time_in_both_directions(link: Link) -> None:
    link.delay_s = 0.1
    loop = asyncio.get_running_loop()
    async with connected(link) as client:
        began_s = loop.time()
        assert await client.ask(b"x") == b"x"
        assert loop.time() - began_s >= 0.2


async def test_a_lost_reply_was_meant_for_a_request_that_was_heard(
    link: Link, server: Server
) -> None:
    async with connected(link) as client, connected(link) as other:
        link.lose_reply("commit")
        assert await client.ask(b"SELECT 1") == b"SELECT 1"
        assert await client.ask(COMMIT) == b""
        assert server.heard[-1] == COMMIT
        assert link.lost["commit"] == 1
        # One was asked for: others keep theirs.
        assert await other.ask(COMMIT) == COMMITTED


async def test_replies_that_were_to_be_lost_can_be_kept_after_all(link: Link) -> None:
    link.lose_reply("commit")
    link.keep_replies()
    async with connected(link) as client:
        assert await client.ask(COMMIT) == COMMITTED
    assert link.lost.total() == 0


async def test_a_server_that_is_away_is_away_for_the_client_too(link: Link, server: Server) -> None:
    link.target_port = link.port + 1 if link.port + 1 != server.port else link.port + 2
    async with connected(link) as client:
        assert await client.ask(b"x") == b""
    await eventually(lambda: not link._connections)
