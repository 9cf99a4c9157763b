"""What goes into a segment comes out of it, byte for byte; what is damaged is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from replay.segment import StoredRecord, compress, decompress, digest_of, pack, unpack
from runtime.poll import UnreadableRecord

some_bytes = st.none() | st.binary(max_size=40)
headers = st.lists(st.tuples(st.text(max_size=8), some_bytes), max_size=4)
stored = st.builds(
    StoredRecord,
    st.just("payment.posted.v1"),
    st.just(3),
    st.integers(0, 2**62),
    st.integers(0, 2**42),
    some_bytes,
    some_bytes,
    headers,
)
unreadable = st.builds(
    UnreadableRecord, st.just("payment.posted.v1"), st.just(3), st.integers(0, 2**62), st.just(-1)
)
logs = st.lists(stored | unreadable, max_size=12)


@given(logs, st.sampled_from(["zstd", "gzip"]))
def test_records_come_back_as_they_were(records: list[StoredRecord], how: str) -> None:
    data = decompress(compress(pack(records), how), how)

    assert unpack(data, topic="payment.posted.v1", partition=3) == records


@given(st.lists(stored, min_size=1, max_size=4), st.data())
def test_a_segment_that_was_cut_or_lengthened_is_told(
    records: list[StoredRecord], data: st.DataObject
) -> None:
    whole = pack(records)
    length = data.draw(st.integers(0, len(whole) - 1))
    for broken in (whole[:length], whole + b"x"):
        with pytest.raises(Invalid, match="not one"):
            unpack(broken, topic="payment.posted.v1", partition=3)


@given(stored, stored)
def test_two_records_have_one_digest_only_if_they_are_equal(
    one: StoredRecord, other: StoredRecord
) -> None:
    assert (digest_of(one) == digest_of(other)) is (one == other)


def test_a_compression_that_is_not_known_is_told() -> None:
    with pytest.raises(Invalid, match="install it"):
        decompress(b"", "brotli")
