"""The load generator: it keeps its rate however slow the answers are, and reads them whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.http_client import Client, get_request, post_request
from bench.open_loop import at_rate
from runtime.clock import SystemClock
from tests.support.waiting import eventually


class SteppingClock(SystemClock):
    """Time goes on only where somebody sleeps."""

    def __init__(self) -> None:
        self.time_s = 100.0

    def monotonic_s(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.time_s += seconds
        await asyncio.sleep(0)


async def test_requests_leave_at_their_times_though_no_answer_comes() -> None:
    clock = SteppingClock()
    answers = asyncio.Event()
    left: list[tuple[float, float]] = []

    async def send(_: int, intended_s: float) -> None:
        left.append((intended_s, clock.time_s))
        await answers.wait()

    load = asyncio.create_task(at_rate(10, 1.0, send, clock))
    await eventually(lambda: len(left) == 10)
    answers.set()

    assert await load == 10
    assert [intended_s for intended_s, _ in left] == pytest.approx(
        [100 + number / 10 for number in range(10)]
    )
    assert all(left_s - intended_s < 0.2 for intended_s, left_s in left)


@asynccontextmanager
async def server(answer: list[bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Sends the pieces of the answer to each request; hands out the requests' heads."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                requests.append(head)
                for piece in answer:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield f"http://127.0.0.1:{port}", requests


async def test_an_answer_in_pieces_is_read_whole_and_the_connection_used_again() -> None:
    pieces = [b"HTTP/1.1 202 Accepted\r\nContent-Le", b"ngth: 5\r\n\r\nhe", b"llo"]
    async with server(pieces) as (url, requests):
        client = Client(url)
        await client.connect(1)

        answers = [await client.ask(get_request(f"/{number}")) for number in range(3)]
        await client.close()

    assert answers == [(202, b"hello")] * 3
    assert [request.split(b" ")[1] for request in requests] == [b"/0", b"/1", b"/2"]


async def test_requests_wait_for_a_free_connection() -> None:
    async with server([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]) as (url, requests):
        client = Client(url)
        await client.connect(2)
        await asyncio.gather(*(client.ask(get_request("/")) for _ in range(10)))
        await client.close()

    assert len(requests) == 10


def test_a_post_says_its_length_and_key() -> None:
    request = post_request("/payments", b"{}", key="a-key")

    assert request.startswith(b"POST /payments HTTP/1.1\r\n")
    assert b"\r\nIdempotency-Key: a-key\r\nContent-Length: 2\r\n\r\n{}" in request
