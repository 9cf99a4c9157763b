"""The client's own server in a campaign: `python -m titan.chaos.receiver DIRECTORY`.

It makes two endpoints, is told of payments there, and writes down each request before it answers.
It is hit by nothing but what it does itself: told to flap, it answers the first request of each id
badly, or not at all, for a while.

    receiver.json   where Webhooks answer, written by the campaign
    endpoints.told  its endpoints, once they are made
    heard.jsonl     what came in
    flaps           lines from the campaign: seconds to flap from then on
"""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import uvloop
from pydantic import BaseModel, ConfigDict

from runtime.clock import SystemClock
from titan.chaos.client import Client
from titan.chaos.history import History
from titan.chaos.words import Words
from titan.servers.ports import LOOPBACK

ADDRESS: Final = "receiver.json"
ENDPOINTS: Final = "endpoints.told"
HEARD: Final = "heard.jsonl"
FLAPS: Final = "flaps"

PLAIN: Final = ("payment.posted.v1", "payment.refused", "payment.conflicted.v1")
"""What the one endpoint wants, in any order."""
ORDERED: Final = ("payment.*",)
"""What the other wants, each payment's in their order."""

_OK: Final = 204
_BAD: Final = 500
_NO_ANSWER: Final = 0
_HANGS_EVERY: Final = 7
"""Of what is answered badly, so much is not answered at all."""
_HANG_S: Final = 8.0
_LISTEN_S: Final = 0.1
_END_OF_HEAD: Final = b"\r\n\r\n"


class Told(BaseModel):
    """An endpoint of the client."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint_id: str
    secret: str
    event_types: tuple[str, ...]
    is_ordered: bool
    made_at_s: float
    """When its client had the answer, in seconds since 1970."""


class Receiver:
    """Answers, and flaps when told to."""

    def __init__(self, directory: Path, heard: IO[bytes]) -> None:
        self._flaps = Words(directory / FLAPS)
        self._heard = heard
        self._clock = SystemClock()
        self._endpoints: dict[str, Told] = {}
        self._failed: set[tuple[str, str]] = set()
        self._flaps_until_s = 0.0

    def know(self, path: str, endpoint: Told) -> None:
        """Believe what is signed for it at this path."""
        self._endpoints[path] = endpoint

    async def heed(self) -> None:
        """Hear of each flap that is ordered."""
        while True:
            for [seconds] in self._flaps.fresh():
                self._flaps_until_s = self._clock.monotonic_s() + float(seconds)
            await self._clock.sleep(_LISTEN_S)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        with suppress(OSError, EOFError, ValueError):
            while True:
                head = (await reader.readuntil(_END_OF_HEAD)).decode("latin-1").splitlines()
                path = head[0].split()[1]
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status = self._answer(path, headers, body)
                if status == _NO_ANSWER:
                    await self._clock.sleep(_HANG_S)
                    break
                writer.write(f"HTTP/1.1 {status} Told\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.transport.abort()

    def _answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        endpoint = self._endpoints.get(path)
        message_id = headers.get("webhook-id", "")
        is_signed = endpoint is not None and is_right(endpoint.secret, headers, body)
        status = self._status(path, message_id)
        entry: dict[str, Any] = {
            "at": self._clock.now().timestamp(),
            "to": None if endpoint is None else endpoint.endpoint_id,
            "id": message_id,
            "signed": is_signed,
            "status": status,
        }
        with suppress(ValueError):
            told = json.loads(body)
            entry |= {"event": told.get("id")}
            entry |= {name: told.get(name) for name in ("type", "subject")}
        self._heard.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._heard.flush()
        return status

    def _status(self, path: str, message_id: str) -> int:
        """Each id fails once at most: its second attempt comes within seconds."""
        key = path, message_id
        if self._clock.monotonic_s() >= self._flaps_until_s or key in self._failed:
            return _OK
        self._failed.add(key)
        return _NO_ANSWER if len(self._failed) % _HANGS_EVERY == 0 else _BAD


def is_right(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the signatures is HMAC-SHA-256 of id, time and body (Standard Webhooks v1)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    said = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    wanted = base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(each, f"v1,{wanted}") for each in given)


async def receive(directory: Path) -> None:
    """Make the endpoints, and answer until killed."""
    webhooks_url = json.loads((directory / ADDRESS).read_text("utf-8"))
    client = Client(payments_url="", handles_url="", history=History(seed=0))
    clock = SystemClock()
    with (directory / HEARD).open("ab") as heard:
        receiver = Receiver(directory, heard)
        server = await asyncio.start_server(receiver.serve, LOOPBACK, 0)
        port = server.sockets[0].getsockname()[1]
        made = []
        for name, event_types in (("plain", PLAIN), ("ordered", ORDERED)):
            body = {
                "url": f"http://{LOOPBACK}:{port}/{name}",
                "description": name,
                "event_types": event_types,
                "is_ordered": event_types is ORDERED,
            }
            answer = (await client.send("POST", f"{webhooks_url}/webhooks/endpoints", body)).json()
            endpoint = Told(
                endpoint_id=answer["endpoint_id"],
                secret=answer["secret"],
                event_types=event_types,
                is_ordered=event_types is ORDERED,
                made_at_s=clock.now().timestamp(),
            )
            receiver.know(f"/{name}", endpoint)
            made.append(endpoint.model_dump())
        fresh = directory / f"{ENDPOINTS}.new"
        fresh.write_text(json.dumps(made), encoding="utf-8")
        fresh.rename(directory / ENDPOINTS)
        async with server:
            await receiver.heed()


if __name__ == "__main__":
    uvloop.run(receive(Path(sys.argv[1])))
