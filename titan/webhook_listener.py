"""A receiver of webhooks on this machine, to try them out: it verifies each, and hands it on."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.errors import Invalid, Unavailable
from runtime.clock import Clock
from runtime.standard_webhooks import ID_HEADER, Verifier
from titan.quiet_server import quiet_server

HOST: Final = "127.0.0.1"
"""It listens on this machine only."""

BODY_BYTES_MAX: Final = 1_048_576
"""A longer body is answered 413; those of Titan have a few hundred bytes."""

NOT_BELIEVED: Final = 401
"""What a delivery is answered whose signature is not right."""

_TOO_LARGE: Final = 413
_READY_POLL_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One request that came in. `fault` says why it was not believed, where secrets are known."""

    heard_at: datetime
    delivery_id: str
    event_type: str
    subject: str
    is_verified: bool
    fault: str | None
    status: int
    body: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "heard_at": self.heard_at.isoformat(),
            "webhook_id": self.delivery_id,
            "type": self.event_type,
            "subject": self.subject,
            "verified": self.is_verified,
            "fault": self.fault,
            "answered": self.status,
            "body": self.body,
        }


class Listener:
    """Answers `status` to whatever is signed by one of its secrets, and 401 to all else.

    With `secrets` None it believes everybody, and says that nothing was verified.
    """

    def __init__(
        self,
        hear: Callable[[Heard], None],
        *,
        clock: Clock,
        status: int,
        secrets: Sequence[str] | None,
    ) -> None:
        """Invalid `webhook_secret` if one of the secrets is none."""
        self._hear = hear
        self._clock = clock
        self._status = status
        self._verifiers = [Verifier(secret) for secret in secrets or ()]
        self._believes_all = secrets is None
        self.port = 0
        """Where it listens, once it does."""

    @property
    def url(self) -> str:
        """What an endpoint has to be made with."""
        return f"http://{HOST}:{self.port}/"

    def trust(self, secret: str) -> None:
        """Believe what is signed by this secret as well; Invalid `webhook_secret`."""
        self._verifiers.append(Verifier(secret))

    async def receive(self, request: Request) -> Response:
        """The one route."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return Response(status_code=_TOO_LARGE)
        heard = self._judge({name.lower(): value for name, value in request.headers.items()}, body)
        self._hear(heard)
        return Response(status_code=heard.status)

    def _judge(self, headers: dict[str, str], body: bytes) -> Heard:
        now = self._clock.now()
        fault = self._fault(headers, body, now)
        event_type, subject = _names_in(body)
        return Heard(
            heard_at=now,
            delivery_id=headers.get(ID_HEADER, "?"),
            event_type=event_type,
            subject=subject,
            is_verified=not self._believes_all and fault is None,
            fault=fault,
            status=self._status if fault is None else NOT_BELIEVED,
            body=body.decode(errors="replace"),
        )

    def _fault(self, headers: dict[str, str], body: bytes, now: datetime) -> str | None:
        if self._believes_all:
            return None
        fault = "no secret is known yet"
        for verifier in self._verifiers:
            try:
                verifier.verify(headers, body, now_s=int(now.timestamp()))
            except Invalid as error:
                fault = error.message
            else:
                return None
        return fault


@asynccontextmanager
async def open_listener(
    hear: Callable[[Heard], None],
    *,
    clock: Clock,
    port: int = 0,
    status: int = 204,
    secrets: Sequence[str] | None = (),
) -> AsyncIterator[Listener]:
    """A listener for as long as the block; port 0 is any. Unavailable if the port is taken."""
    listener = Listener(hear, clock=clock, status=status, secrets=secrets)
    try:
        door = socket.create_server((HOST, port))
    except OSError as error:
        raise Unavailable(f"port {port} on {HOST}: {error.strerror}") from error
    listener.port = door.getsockname()[1]
    route = Route("/{path:path}", listener.receive, methods=["POST"])
    server = quiet_server(Starlette(routes=[route]), host=HOST, port=listener.port)
    serving = asyncio.create_task(server.serve(sockets=[door]))
    try:
        while not server.started and not serving.done():
            await clock.sleep(_READY_POLL_S)
        yield listener
    finally:
        server.should_exit = True
        await serving
        door.close()


def _names_in(body: bytes) -> tuple[str, str]:
    """An event's type and subject, as far as the body says them."""
    try:
        event = json.loads(body)
        return str(event["type"]), str(event["subject"])
    except (ValueError, LookupError, TypeError):
        return "?", "?"
