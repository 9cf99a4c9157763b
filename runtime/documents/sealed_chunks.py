"""Documents under a key of their own: AES-256-GCM in chunks, so that neither end holds a whole one.

    header   "TTND" | version 1 | bytes of a full chunk (4) | nonce prefix (7)
    chunk    ciphertext | tag (16), for each chunk of the document; the last one may be empty

The nonce of a chunk is `prefix | index (4) | is final (1)`, as in the STREAM construction (Hoang,
Reyhanitabar, Rogaway, Vizár 2015); the associated data is `header | owner | document | index (8) |
is final (1)`. So a chunk opens in its own place of its own document of its own owner only, and a
document that was cut, at whatever chunk, ends without its final one and does not open. A key seals
one document and no other, which is what makes counted nonces safe.
"""

import os
import struct
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Invalid

CHUNK_BYTES: Final = 64 * 1024
"""Bytes of a document in one chunk."""

KEY_BYTES: Final = 32

_MAGIC: Final = b"TTND\x01"
_HEADER: Final = struct.Struct(">5sI7s")
_TAG_BYTES: Final = 16
_CHUNK_BYTES_MAX: Final = 1024 * 1024
_CHUNKS_MAX: Final = 2**32 - 1


def new_key() -> bytes:
    """A key for one document."""
    return AESGCM.generate_key(bit_length=KEY_BYTES * 8)


def seal(
    document: bytes, key: bytes, *, owner: UUID, document_id: UUID, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[bytes]:
    """The sealed document: its header, then each chunk. Use the key for nothing else."""
    prefix = os.urandom(7)
    header = _HEADER.pack(_MAGIC, chunk_bytes, prefix)
    yield header
    box = _Box(key, header, prefix, owner, document_id)
    last = max(0, len(document) - 1) // chunk_bytes
    for index in range(last + 1):
        chunk = document[index * chunk_bytes : (index + 1) * chunk_bytes]
        yield box.seal(chunk, index, is_final=index == last)


async def opened(
    sealed: AsyncIterable[bytes], key: bytes, *, owner: UUID, document_id: UUID
) -> AsyncIterator[bytes]:
    """The document's chunks, each once it is proven; `sealed` may be cut into any pieces.

    Invalid `sealed_document`, in the same words whatever is wrong, when one does not open. A chunk
    is handed on only after the one behind it has arrived, so whether it is final is known.
    """
    buffer = bytearray()
    box: _Box | None = None
    size = index = 0
    async for piece in sealed:
        buffer += piece
        if box is None and len(buffer) >= _HEADER.size:
            box, size = _box_of(bytes(buffer[: _HEADER.size]), key, owner, document_id)
            del buffer[: _HEADER.size]
        while box is not None and len(buffer) > size:
            yield box.open(bytes(buffer[:size]), index, is_final=False)
            del buffer[:size]
            index += 1
    if box is None:
        raise _does_not_open()
    yield box.open(bytes(buffer), index, is_final=True)


class _Box:
    """Seals and opens the chunks of one document."""

    def __init__(
        self, key: bytes, header: bytes, prefix: bytes, owner: UUID, document_id: UUID
    ) -> None:
        self._cipher = AESGCM(key)
        self._prefix = prefix
        self._bound = header + owner.bytes + document_id.bytes

    def seal(self, chunk: bytes, index: int, *, is_final: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(index, is_final), chunk, self._aad(index, is_final))

    def open(self, sealed: bytes, index: int, *, is_final: bool) -> bytes:
        try:
            return self._cipher.decrypt(
                self._nonce(index, is_final), sealed, self._aad(index, is_final)
            )
        except (InvalidTag, ValueError):
            raise _does_not_open() from None

    def _nonce(self, index: int, is_final: bool) -> bytes:  # noqa: FBT001 - one flag, in place
        if index > _CHUNKS_MAX:
            raise _does_not_open()
        return self._prefix + struct.pack(">I?", index, is_final)

    def _aad(self, index: int, is_final: bool) -> bytes:  # noqa: FBT001 - one flag, in place
        return self._bound + struct.pack(">Q?", index, is_final)


def _box_of(header: bytes, key: bytes, owner: UUID, document_id: UUID) -> tuple[_Box, int]:
    """The box of a header, and the bytes of a full sealed chunk."""
    magic, chunk_bytes, prefix = _HEADER.unpack(header)
    if magic != _MAGIC or not 1 <= chunk_bytes <= _CHUNK_BYTES_MAX:
        raise _does_not_open()
    return _Box(key, header, prefix, owner, document_id), chunk_bytes + _TAG_BYTES


def _does_not_open() -> Invalid:
    return Invalid("sealed_document", "the sealed document does not open")
