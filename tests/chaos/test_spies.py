"""What a proxy sees in a stream, however the network cuts it."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from titan.chaos.spies import OFFSET_COMMIT, PRODUCE, Frames, KafkaSpy, PaymentSpy, PostgresSpy

METADATA = 3


def request(kind: int, correlation_id: int, body: bytes = b"x" * 50) -> bytes:
    frame = struct.pack(">hhi", kind, 9, correlation_id) + body
    return len(frame).to_bytes(4, "big") + frame


def response(correlation_id: int, body: bytes = b"y" * 30) -> bytes:
    frame = struct.pack(">i", correlation_id) + body
    return len(frame).to_bytes(4, "big") + frame


@given(
    bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 40), min_size=1),
)
def test_heads_are_found_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(request(number, number, body) for number, body in enumerate(bodies))
    frames, found, place, turn = Frames(8), list[bytes](), 0, 0
    while place < len(stream):
        size = cuts[turn % len(cuts)]
        found += frames.feed(stream[place : place + size])
        place, turn = place + size, turn + 1

    assert found == [struct.pack(">hhi", number, 9, number) for number in range(len(bodies))]


def test_only_the_wanted_request_is_worth_it() -> None:
    spy = KafkaSpy(PRODUCE)
    assert not spy.asks(request(METADATA, 1) + request(OFFSET_COMMIT, 2))
    assert spy.asks(request(METADATA, 3) + request(PRODUCE, 4) + request(METADATA, 5))


def test_the_response_is_known_by_its_number() -> None:
    spy = KafkaSpy(OFFSET_COMMIT)
    spy.asks(request(METADATA, 1) + request(OFFSET_COMMIT, 2))
    assert not spy.answers(response(1))
    assert spy.answers(response(2))


def test_a_commit_and_its_reply_are_told_from_other_statements() -> None:
    spy = PostgresSpy()
    assert not spy.asks(b"Q\x00\x00\x00\x0bBEGIN;\x00")
    assert spy.asks(b"Q\x00\x00\x00\x0cCOMMIT;\x00")
    assert not spy.answers(b"C\x00\x00\x00\x0aBEGIN\x00Z\x00\x00\x00\x05T")
    assert spy.answers(b"C\x00\x00\x00\x0bCOMMIT\x00Z\x00\x00\x00\x05I")


def test_a_payment_and_its_yes_are_told_from_other_requests() -> None:
    spy = PaymentSpy()
    assert not spy.asks(b"GET /payments/1 HTTP/1.1")
    assert spy.asks(b"POST /payments HTTP/1.1")
    assert not spy.answers(b"HTTP/1.1 503 Service Unavailable")
    assert spy.answers(b"HTTP/1.1 202 Accepted")
