"""E-mail by SMTP: the one place that speaks to the mail server.

Who writes a message decides what a refusal means to them.
"""

import asyncio
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from uuid import UUID

import aiosmtplib

from domain.errors import Invalid
from runtime.carrier_settings import CarrierSettings, SmtpSecurity
from runtime.clock import Clock

MAIL_S_MAX: Final = 10.0
"""Handing one message over takes no longer."""

MAIL_CONNECT_S_MAX: Final = 3.0
"""Opening a connection takes no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """The mail server that takes what we send, and who it is from."""

    host: str
    port: int
    security: SmtpSecurity
    username: str | None
    password: str | None
    sender: str


def smtp_server_of(settings: CarrierSettings) -> SmtpServer | None:
    """The server that the settings name, None if they name none; Invalid if they are incomplete."""
    if settings.smtp_host is None:
        return None
    if settings.mail_from is None:
        raise Invalid("incomplete_smtp", "TITAN_SMTP_HOST needs TITAN_MAIL_FROM")
    password = settings.smtp_password
    return SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        username=settings.smtp_username,
        password=None if password is None else password.get_secret_value(),
        sender=settings.mail_from,
    )


class Mailer:
    """Writes heads and hands messages over, one connection each: no server keeps one open long."""

    def __init__(
        self, server: SmtpServer, *, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = server
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self._domain = server.sender.rpartition("@")[2]

    def message(self, to: str, title: str, *, message_id: UUID) -> EmailMessage:
        """A message without its body; ValueError if the address is none that can stand in a head.

        A repeat should have the same id: mail programs show it once.
        """
        if "@" not in to:
            raise ValueError("no address")
        message = EmailMessage()
        message["From"] = Address("Titan", addr_spec=self._server.sender)
        message["To"] = Address(addr_spec=to)
        message["Subject"] = title
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{message_id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        return message

    async def hand_over(self, message: EmailMessage, to: str) -> None:
        """Returns once the server has taken it. Raises SMTPException, OSError or TimeoutError."""
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=MAIL_CONNECT_S_MAX,
            use_tls=server.security is SmtpSecurity.TLS,
            start_tls=server.security is SmtpSecurity.STARTTLS,
            tls_context=None if server.security is SmtpSecurity.NONE else self._tls,
            username=server.username,
            password=server.password,
        )
        async with asyncio.timeout(MAIL_S_MAX), client:
            await client.send_message(
                message, sender=server.sender, recipients=[to], timeout=MAIL_S_MAX
            )
