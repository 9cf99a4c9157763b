"""A mail server on this machine that speaks SMTP and refuses as mail servers do."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from runtime.carrier_settings import SmtpSecurity
from runtime.mail import SmtpServer
from tests.support.certificates import LOOPBACK


@dataclass
class Post:
    """What the server takes in, and what it says to each step instead of yes."""

    to_recipient: str | None = None
    to_data: str | None = None
    taken: list[Envelope] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the library's own name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if self.to_recipient is not None:
            return self.to_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        if self.to_data is not None:
            return self.to_data
        self.taken.append(envelope)
        return "250 taken"


def message_of(envelope: Envelope) -> EmailMessage:
    """What was taken in, as a mail program reads it."""
    assert isinstance(envelope.content, bytes)
    found = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


@asynccontextmanager
async def mail_server(
    post: Post, *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[SmtpServer]:
    """The server on a free port, without encryption unless the options say so."""
    loop = asyncio.get_running_loop()
    made: list[SMTP] = []

    def make() -> SMTP:
        made.append(SMTP(post, hostname=LOOPBACK, loop=loop, **options))
        return made[-1]

    server = await loop.create_server(make, LOOPBACK, 0, ssl=tls)
    try:
        yield SmtpServer(
            host=LOOPBACK,
            port=server.sockets[0].getsockname()[1],
            security=SmtpSecurity.NONE,
            username=None,
            password=None,
            sender="titan@titan.example",
        )
    finally:
        server.close()
        for each in made:
            if isinstance(each.transport, asyncio.WriteTransport):
                each.transport.abort()
        await server.wait_closed()
