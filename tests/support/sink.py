"""An HTTP receiver on this machine that keeps what it was sent and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import standardwebhooks

from domain.errors import Invalid
from runtime.standard_webhooks import Verifier


@dataclass(frozen=True)
class Received:
    """A request; header names are lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    def signed_by(self, secret: str) -> bool:
        """Whether a `whsec_` or `whpk_` secret's owner has signed this, at the time that it says.

        Of v1 the standard's own library is asked, which does not know v1a.
        """
        at_s, message_id = int(self.headers["webhook-timestamp"]), self.headers["webhook-id"]
        if secret.startswith("whsec_"):
            at = datetime.fromtimestamp(at_s, UTC)
            right = standardwebhooks.Webhook(secret).sign(message_id, at, self.body.decode())
            return right in self.headers["webhook-signature"].split(" ")
        try:
            Verifier(secret).verify(self.headers, self.body, now_s=at_s)
        except Invalid:
            return False
        return True


@dataclass(frozen=True)
class Say:
    """An answer: after `wait_s`, or never if `hangs`; `hangs_after` leaves a `raw` one open."""

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    wait_s: float = 0.0
    hangs: bool = False
    raw: bytes | None = None
    hangs_after: bool = False


Answering = Callable[[Received], Say]


@dataclass
class Sink:
    port: int = 0
    answer: Answering = field(default=lambda _: Say())
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def ids(self) -> list[str]:
        return [each.headers["webhook-id"] for each in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                headers = dict(line.split(": ", 1) for line in lines[1:] if line)
                headers = {name.lower(): value for name, value in headers.items()}
                body = await reader.readexactly(int(headers["content-length"]))
                received = Received(lines[0].split(" ")[1], headers, body)
                self.received.append(received)
                say = self.answer(received)
                await asyncio.sleep(say.wait_s)
                if say.hangs:
                    await reader.read()
                    return
                writer.write(say.raw if say.raw is not None else _bytes(say))
                await writer.drain()
                if say.hangs_after:
                    await reader.read()
                if say.raw is not None:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def open_sink(answer: Answering | None = None, port: int = 0) -> AsyncIterator[Sink]:
    """A receiver for as long as the block."""
    sink = Sink()
    if answer is not None:
        sink.answer = answer
    tasks: set[asyncio.Task[None]] = set()

    def on_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(sink.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(on_connect, "127.0.0.1", port)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The loop ends connections in its next turn.
        await asyncio.sleep(0)


def _bytes(say: Say) -> bytes:
    head = [f"HTTP/1.1 {say.status} Said", f"content-length: {len(say.body)}"]
    head += [f"{name}: {value}" for name, value in say.headers]
    return "\r\n".join([*head, "", ""]).encode() + say.body
