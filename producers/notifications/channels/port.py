"""The port that everything which carries a notification stands behind.

What became of a letter has four fates, and never an exception:

* Sent          the carrier has taken it over
* Gone          the token or address is no more: forget it, and do not try again
* Refused       it will never be taken: a fault of ours or of the letter
* Later         not now; `is_everybodys` says that no other letter would fare better
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

SEND_S_MAX: Final = 10.0
"""One try of one letter takes no longer."""

CONNECT_S_MAX: Final = 3.0
"""Opening a connection to a carrier takes no longer."""

RETRY_AFTER_S_MAX: Final = 3_600.0
"""A carrier that asks for a longer pause is asked again after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One delivery, ready to leave.

    `to` is a token or an address. `data` goes with a push and shows nothing. `html`, `unsubscribe`
    and `locale` are an e-mail's.
    """

    delivery_id: UUID
    to: str
    title: str
    body: str
    expires_at: datetime
    data: Mapping[str, str] = field(default_factory=dict)
    html: str | None = None
    text: str | None = None
    unsubscribe_url: str | None = None
    registered_at: datetime | None = None
    """When the device came with its token."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The carrier has taken it over."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The token or address is no more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never be taken."""

    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """Not now; after `after_s` if the carrier said so."""

    reason: str
    after_s: float | None = None
    is_everybodys: bool = False


Fate = Sent | Gone | Refused | Later


class Carrier(Protocol):
    """Carries letters. Any number at once."""

    async def send(self, letter: Letter) -> Fate:
        """Hand a letter over. The same letter may come again: the carrier shows it once, if it can.

        Never raises, but for what is no carrier's fault.
        """
        ...

    async def close(self) -> None:
        """Give connections up."""
        ...


def retry_after_s(text: str | None) -> float | None:
    """The seconds of a Retry-After, bounded; None without one, and of a date."""
    if text is None or not text.strip().isdigit():
        return None
    return min(float(text.strip()[:9]), RETRY_AFTER_S_MAX)
