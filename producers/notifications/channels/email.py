"""E-mail by SMTP: text and HTML, with a way to unsubscribe in the head (RFC 2369, RFC 8058)."""

import ssl
from email.message import EmailMessage
from typing import Final

import aiosmtplib

from producers.notifications.channels.port import Fate, Gone, Later, Letter, Refused, Sent
from runtime.clock import Clock
from runtime.mail import Mailer, SmtpServer

_PERMANENT: Final = 500
_NO_MAILBOX: Final = frozenset({550, 551, 553})
"""Answers to RCPT by which a server says that nobody reads mail there."""


class EmailCarrier:
    """Sends e-mails."""

    def __init__(
        self, server: SmtpServer, *, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self._mailer = Mailer(server, clock=clock, tls=tls)

    async def send(self, letter: Letter) -> Fate:
        """One e-mail. A repeat has the same Message-ID."""
        try:
            message = self._message(letter)
        except ValueError:
            return Gone("invalid_address")
        try:
            await self._mailer.hand_over(message, letter.to)
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

    def _message(self, letter: Letter) -> EmailMessage:
        """The message; ValueError if the address is none that can stand in a head."""
        message = self._mailer.message(letter.to, letter.title, message_id=letter.delivery_id)
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
