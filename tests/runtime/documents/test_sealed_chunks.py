from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from runtime.documents.sealed_chunks import new_key, opened, seal

OWNER, OTHER, DOCUMENT = UUID(int=1), UUID(int=2), UUID(int=3)
CHUNK = 32
HEADER = 16
SEALED_CHUNK = CHUNK + 16


def sealed_of(document: bytes, key: bytes) -> bytes:
    return b"".join(seal(document, key, owner=OWNER, document_id=DOCUMENT, chunk_bytes=CHUNK))


async def pieces(sealed: bytes, cuts: Sequence[int] = ()) -> AsyncIterator[bytes]:
    before = 0
    for cut in [*sorted(cuts), len(sealed)]:
        yield sealed[before:cut]
        before = max(before, cut)


async def open_all(
    sealed: bytes,
    key: bytes,
    *,
    owner: UUID = OWNER,
    document_id: UUID = DOCUMENT,
    cuts: Sequence[int] = (),
) -> bytes:
    chunks = opened(pieces(sealed, cuts), key, owner=owner, document_id=document_id)
    return b"".join([chunk async for chunk in chunks])


@given(
    document=st.binary(max_size=5 * CHUNK),
    cuts=st.lists(st.integers(0, 300), max_size=8),
)
async def test_what_was_sealed_opens_however_it_arrives(document: bytes, cuts: list[int]) -> None:
    key = new_key()
    sealed = sealed_of(document, key)
    assert await open_all(sealed, key, cuts=[min(cut, len(sealed)) for cut in cuts]) == document


@given(document=st.binary(max_size=4 * CHUNK), place=st.integers(0), bit=st.integers(0, 7))
async def test_one_changed_bit_anywhere_is_seen(document: bytes, place: int, bit: int) -> None:
    key = new_key()
    sealed = bytearray(sealed_of(document, key))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(Invalid, match="sealed_document"):
        await open_all(bytes(sealed), key)


@given(document=st.binary(max_size=4 * CHUNK), lost=st.integers(1, 200))
async def test_a_document_cut_anywhere_does_not_end_well(document: bytes, lost: int) -> None:
    key = new_key()
    sealed = sealed_of(document, key)
    with pytest.raises(Invalid):
        await open_all(sealed[: max(0, len(sealed) - lost)], key)


async def test_a_document_cut_between_chunks_does_not_end_well() -> None:
    key = new_key()
    sealed = sealed_of(b"x" * (3 * CHUNK), key)
    for chunks in range(3):
        with pytest.raises(Invalid):
            await open_all(sealed[: HEADER + chunks * SEALED_CHUNK], key)


async def test_chunks_neither_change_places_nor_come_twice_nor_follow_the_last() -> None:
    key = new_key()
    sealed = sealed_of(b"a" * CHUNK + b"b" * CHUNK + b"c" * CHUNK, key)
    header, body = sealed[:HEADER], sealed[HEADER:]
    first, second, third = (body[n * SEALED_CHUNK :][:SEALED_CHUNK] for n in range(3))
    assert await open_all(header + first + second + third, key)
    for order in (
        [second, first, third],
        [first, third],
        [first, first, second, third],
        [first, second, third, third],
    ):
        with pytest.raises(Invalid):
            await open_all(header + b"".join(order), key)


async def test_it_opens_for_its_owner_its_name_and_its_key_only() -> None:
    key = new_key()
    sealed = sealed_of(b"passport", key)
    for attempt in (
        open_all(sealed, key, owner=OTHER),
        open_all(sealed, key, document_id=OTHER),
        open_all(sealed, new_key()),
        open_all(b"", key),
        open_all(b"%PDF-1.7 never sealed", key),
    ):
        with pytest.raises(Invalid) as caught:
            await attempt
        assert str(caught.value) == "sealed_document: the sealed document does not open"
