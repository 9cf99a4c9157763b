"""E-mail by SMTP: text and HTML, with a way to unsubscribe in the head (RFC 2369, RFC 8058)."""

import asyncio
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import aiosmtplib

from producers.notifications.channels.port import (
    CONNECT_S_MAX,
    SEND_S_MAX,
    Fate,
    Gone,
    Later,
    Letter,
    Refused,
    Sent,
)
from runtime.carrier_settings import SmtpSecurity
from runtime.clock import Clock

_PERMANENT: Final = 500
_NO_MAILBOX: Final = frozenset({550, 551, 553})
"""Answers to RCPT by which a server says that nobody reads mail there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """The mail server that takes what we send, and who it is from."""

    host: str
    port: int
    security: SmtpSecurity
    username: str | None
    password: str | None
    sender: str


class EmailCarrier:
    """Sends e-mails, one connection each: they are rare, and no server keeps one open for long."""

    def __init__(
        self, server: SmtpServer, *, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = server
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self._domain = server.sender.rpartition("@")[2]

    async def send(self, letter: Letter) -> Fate:
        """One e-mail. A repeat has the same Message-ID."""
        try:
            message = self._message(letter)
        except ValueError:
            return Gone("invalid_address")
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await self._hand_over(message, letter)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _fate_of_recipient(error.recipients[0])
        except aiosmtplib.SMTPResponseException as error:
            # What refuses us before it has seen the letter would refuse any other as well.
            of_letter = isinstance(error, aiosmtplib.SMTPDataError)
            if error.code >= _PERMANENT and of_letter:
                return Refused(f"smtp_{error.code}")
            return Later(f"smtp_{error.code}", is_everybodys=not of_letter)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return Later(type(error).__name__, is_everybodys=True)
        return Sent()

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _hand_over(self, message: EmailMessage, letter: Letter) -> None:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=CONNECT_S_MAX,
            use_tls=server.security is SmtpSecurity.TLS,
            start_tls=server.security is SmtpSecurity.STARTTLS,
            tls_context=None if server.security is SmtpSecurity.NONE else self._tls,
            username=server.username,
            password=server.password,
        )
        async with client:
            await client.send_message(
                message, sender=server.sender, recipients=[letter.to], timeout=SEND_S_MAX
            )

    def _message(self, letter: Letter) -> EmailMessage:
        """The message; ValueError if the address is none that can stand in a head."""
        if "@" not in letter.to:
            raise ValueError("no address")
        message = EmailMessage()
        message["From"] = Address("Titan", addr_spec=self._server.sender)
        message["To"] = Address(addr_spec=letter.to)
        message["Subject"] = letter.title
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{letter.delivery_id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        if letter.unsubscribe_url is not None:
            message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(letter.text or letter.body)
        if letter.html is not None:
            message.add_alternative(letter.html, subtype="html")
        return message


def _fate_of_recipient(error: aiosmtplib.SMTPRecipientRefused) -> Fate:
    if error.code in _NO_MAILBOX:
        return Gone(f"smtp_{error.code}")
    if error.code >= _PERMANENT:
        return Refused(f"smtp_{error.code}")
    return Later(f"smtp_{error.code}")
