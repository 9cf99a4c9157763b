"""What the edge keeps of a handle: enough to answer a look-up, and to tell the newer of two."""

from typing import NamedTuple
from uuid import UUID

from domain.directory import HandleEntry, HandleTarget

_SEPARATOR = "|"


class Sight(NamedTuple):
    """A handle as it was seen: version 0 was never claimed, `target` is None if it names nobody.

    `client_id` is whose handle it is, while it names somebody.
    """

    version: int
    target: HandleTarget | None
    client_id: str = ""


NOBODY = Sight(0, None)


def sight_of(entry: HandleEntry | None) -> Sight:
    """The sight of a directory entry; of none, that nobody ever claimed the handle."""
    if entry is None:
        return NOBODY
    return Sight(entry.version, entry.target, "" if entry.target is None else entry.client_id)


def to_text(sight: Sight) -> str:
    """One line: the version, then what the handle names. The display name stays sealed."""
    if sight.target is None:
        return f"{sight.version}{_SEPARATOR}"
    target = sight.target
    return _SEPARATOR.join(
        (
            str(sight.version),
            target.account_id.hex,
            target.currency,
            target.display_name_sealed,
            sight.client_id,
        )
    )


def from_text(text: str) -> Sight:
    """The sight in a line that `to_text` wrote; ValueError if it is none."""
    version, *named = text.split(_SEPARATOR)
    if named == [""]:
        return Sight(int(version), None)
    account_id, currency, display_name_sealed, client_id = named
    target = HandleTarget(UUID(account_id), currency, display_name_sealed)
    return Sight(int(version), target, client_id)
