"""The envelope of a sealed text: `version | kek_id | key_id | nonce | ciphertext | tag`.

version  1 byte: 2. Version 1 (`1 | nonce | ciphertext | tag`) is still read, see house.py.
kek_id   4 bytes: the number of the key-encryption key that wrapped the data key when the text was
         sealed. 0 is the house's own key, which nothing wraps. It is told, never relied upon: a
         data key that was wrapped anew since opens the text all the same.
key_id   16 bytes: the data key.
nonce    12 random bytes, a tag of 16 (NIST SP 800-38D).

Raw it is bytes; in events and JSON it is URL-safe base64 with its padding.
"""

import binascii
from struct import Struct
from typing import Final, NamedTuple
from uuid import UUID

from domain.errors import Invalid

VERSION: Final = 2
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
"""AES-256."""

HOUSE_KEK_ID: Final = 0
"""Stands in the envelope where no key-encryption key wraps the data key."""

_HEADER: Final = Struct(">BI16s")
HEADER_BYTES: Final = _HEADER.size
SEALED_FROM: Final = HEADER_BYTES + NONCE_BYTES
"""Where the ciphertext begins."""
_ENVELOPE_BYTES_MIN: Final = SEALED_FROM + TAG_BYTES

# What base64.urlsafe_b64encode and its inverse do, without what they ask each time: opening a text
# costs a quarter less.
_TO_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE: Final = bytes.maketrans(b"-_+/", b"+/!!")

# One envelope is one text, or it could be changed and still open: the other alphabet's "+" and "/"
# are none of ours, and the bits that the last character has too many are zero (RFC 4648, 3.5).
_LAST_OF: Final = ("", "AQgw", "AEIMQUYcgkosw048")


class Header(NamedTuple):
    """What an envelope says of its key."""

    kek_id: int
    key_id: UUID


def does_not_open() -> Invalid:
    """The one answer to whatever is wrong with a sealed text: it tells nobody what it was."""
    return Invalid("sealed_text", "the sealed text does not open")


def pack_header(kek_id: int, key_id: UUID) -> bytes:
    """The first bytes of every envelope that this data key seals."""
    return _HEADER.pack(VERSION, kek_id, key_id.bytes)


def read_header(envelope: bytes) -> Header:
    """The header of an envelope; Invalid `sealed_text` if it is none of this version."""
    if len(envelope) < _ENVELOPE_BYTES_MIN:
        raise does_not_open()
    version, kek_id, key_id = _HEADER.unpack_from(envelope)
    if version != VERSION:
        raise does_not_open()
    return Header(kek_id, UUID(bytes=key_id))


def to_text(envelope: bytes) -> str:
    """The envelope as events and JSON carry it."""
    return binascii.b2a_base64(envelope, newline=False).translate(_TO_URL_SAFE).decode("ascii")


def to_bytes(sealed: str) -> bytes:
    """The envelope in such a text; Invalid `sealed_text` if it is none."""
    try:
        envelope = binascii.a2b_base64(
            sealed.encode("ascii").translate(_FROM_URL_SAFE), strict_mode=True
        )
    except ValueError:
        raise does_not_open() from None
    rest = len(envelope) % 3
    if rest and sealed[rest - 4] not in _LAST_OF[rest]:
        raise does_not_open()
    return envelope
