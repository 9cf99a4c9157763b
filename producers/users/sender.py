"""Sending codes: the port, e-mail, and the demo's folder that stands in for mail and telephone."""

import asyncio
import os
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

import aiosmtplib

from domain.errors import Invalid, Unavailable
from runtime.clock import Clock
from runtime.mail import Mailer
from schemas.person import ContactKind

FOLDER: Final = "codes"
"""Under the data directory."""


class CodeSender(Protocol):
    """Brings a code to an address. Never logs either."""

    async def send(self, person_id: UUID, kind: ContactKind, address: str, code: str) -> None:
        """Hand the code over. Unavailable if it was not; Invalid if it never can be."""
        ...


class FolderSender:
    """Writes each code into a file of its own, for whoever sits at this machine.

    Not into the log: logs are shipped, kept and read by others. The file has the code and no
    address, so that nothing here ties one to a person; it is readable by its owner only, and the
    next code to the same contact replaces it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, person_id: UUID, kind: ContactKind, address: str, code: str) -> None:
        """Write `<person>.<kind>.txt`; the address is what it is not written for."""
        del address
        try:
            await asyncio.to_thread(self._write, f"{person_id}.{kind}.txt", code)
        except OSError as error:
            raise Unavailable(f"folder of codes: {type(error).__name__}") from error

    def _write(self, name: str, code: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / name
        fresh = path.with_name(f"{name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{code}\n")
        fresh.replace(path)


class NoSender:
    """There is nobody to send codes."""

    async def send(self, person_id: UUID, kind: ContactKind, address: str, code: str) -> None:
        """Unavailable."""
        del person_id, kind, address, code
        raise Unavailable("nothing sends codes here")


class MailSender:
    """Sends codes to addresses by e-mail; codes to phones go to `phones`."""

    def __init__(self, mailer: Mailer, *, clock: Clock, phones: CodeSender) -> None:
        self._mailer = mailer
        self._clock = clock
        self._phones = phones

    async def send(self, person_id: UUID, kind: ContactKind, address: str, code: str) -> None:
        """One e-mail in both languages: who asks for a code may have said nothing of theirs yet.

        Invalid if the mail server will never take the address.
        """
        if kind is not ContactKind.EMAIL:
            await self._phones.send(person_id, kind, address, code)
            return
        try:
            message = self._mailer.message(address, _TITLE, message_id=self._clock.random_id())
            message.set_content(_TEXT.format(code=code))
            await self._mailer.hand_over(message, address)
        except ValueError:
            raise _refused() from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            if error.recipients[0].code >= _PERMANENT:
                raise _refused() from None
            raise Unavailable("the mail server takes no mail for the address now") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            # Without its text, in which servers like to repeat the address.
            raise Unavailable(f"mail server: {type(error).__name__}") from None


def _refused() -> Invalid:
    return Invalid("address_refused", "the mail server will not take mail for this address")


_PERMANENT: Final = 500
_TITLE: Final = "Your code / Dein Code"
_TEXT: Final = """\
{code} is your code. Enter it in Titan to show that this address is yours.
If you did not ask for it, do nothing.

{code} ist dein Code. Gib ihn bei Titan ein, um zu zeigen, dass dies deine Adresse ist.
Wenn du nicht darum gebeten hast, tu nichts.
"""
