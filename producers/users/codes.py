"""Codes that prove a contact: when one may be sent, and when one that came back is right. Pure."""

import hmac
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from producers.users.contacts import Contact
from producers.users.people import Person

CODE_DIGITS: Final = 6

CODE_S: Final = 600
"""A code is good for so long."""

CODE_TRIES_MAX: Final = 5
"""Wrong tries of one code: with six digits a guesser then has one chance in 200,000."""

CODE_PAUSE_S: Final = 30
"""Between two codes to one address."""

CODES_MAX: Final = 5
"""Codes to all contacts of a person in CODES_WINDOW_S: strangers may be annoyed by them."""

CODES_WINDOW_S: Final = 3_600

INDEX_COLUMN: Final = "people_contacts.code"


class CodeFault(StrEnum):
    """Why a code does not prove the contact."""

    NONE = "code_not_sent"
    EXPIRED = "code_expired"
    SPENT = "code_spent"
    WRONG = "code_wrong"


def code_from(chance: UUID) -> str:
    """Six digits of 122 random bits: even to one part in 10**31."""
    return f"{chance.int % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def code_text(contact: Contact, code: str) -> str:
    """What the index of a code is made of: a code proves this address of this person only."""
    return f"{contact.person_id} {contact.kind} {contact.address_index} {code}"


def wait_before_next_s(person: Person, contact: Contact, *, now: datetime) -> int:
    """Seconds until another code may be sent; 0 for now."""
    waits = [0.0]
    if contact.code_sent_at is not None:
        waits.append(CODE_PAUSE_S - (now - contact.code_sent_at).total_seconds())
    if person.codes_since is not None and person.codes_sent >= CODES_MAX:
        waits.append(CODES_WINDOW_S - (now - person.codes_since).total_seconds())
    return int(-(-max(waits) // 1))


def counted(person: Person, *, now: datetime) -> Person:
    """The person with one code more."""
    window = timedelta(seconds=CODES_WINDOW_S)
    if person.codes_since is None or now - person.codes_since >= window:
        return person._replace(codes_since=now, codes_sent=1)
    return person._replace(codes_sent=person.codes_sent + 1)


def with_code(contact: Contact, code_index: str, *, now: datetime) -> Contact:
    """The contact once a code is on its way."""
    return contact._replace(code_index=code_index, code_sent_at=now, code_tries=0)


def tried(contact: Contact, code_index: str, *, now: datetime) -> tuple[Contact, CodeFault | None]:
    """The contact after a code came back, and what was wrong with it; verified if nothing was."""
    fault: CodeFault | None = None
    if contact.code_index is None or contact.code_sent_at is None:
        fault = CodeFault.NONE
    elif now - contact.code_sent_at >= timedelta(seconds=CODE_S):
        fault = CodeFault.EXPIRED
    elif contact.code_tries >= CODE_TRIES_MAX:
        fault = CodeFault.SPENT
    elif not hmac.compare_digest(contact.code_index, code_index):
        return contact._replace(code_tries=contact.code_tries + 1), CodeFault.WRONG
    if fault is not None:
        return contact, fault
    return contact._replace(verified_at=now, code_index=None, code_tries=0), None
