"""Bodies are read strictly, and what is refused is refused before it costs much."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from runtime import limits
from runtime.http.body import (
    RequestModel,
    canonical_json,
    fingerprint_of,
    parse_json,
    read_json,
)
from runtime.http.problem import ProblemError
from runtime.http.scope import keep_headers

JSON_TYPE = (b"content-type", b"application/json")

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text("abc"), children),
    max_leaves=10,
)


class Order(RequestModel):
    amount: int
    handles: tuple[str, ...] = ()


def request_of(*messages: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...]) -> Request:
    """A request whose server hands these messages out, and then nothing for ever."""
    waiting = list(messages)
    scope: dict[str, Any] = {"type": "http", "headers": headers}
    keep_headers(scope)

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("nothing comes any more")

    return Request(scope, receive)


@contextmanager
def suppress_refusal(status: int) -> Iterator[None]:
    """What is refused inside must be refused with this status."""
    try:
        yield
    except ProblemError as problem:
        if problem.status != status:
            raise


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


@given(value=json_values)
def test_a_sound_body_is_read_as_what_it_says(value: Any) -> None:
    body = parse_json(canonical_json(value))

    assert body.value == value
    assert body.canonical == canonical_json(value)


@given(value=st.dictionaries(st.text("abc"), json_values))
def test_the_order_of_keys_does_not_change_the_fingerprint(value: dict[str, Any]) -> None:
    assert fingerprint_of(dict(reversed(value.items()))) == fingerprint_of(value)


@given(one=json_values, other=json_values)
def test_what_is_spelled_apart_has_another_fingerprint(one: Any, other: Any) -> None:
    same = canonical_json(one) == canonical_json(other)
    assert (fingerprint_of(one) == fingerprint_of(other)) is same


@given(raw=st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused_with_400(raw: bytes) -> None:
    with suppress_refusal(400):
        assert parse_json(raw).raw == raw


@given(depth=st.integers(limits.JSON_DEPTH_MAX - 2, limits.JSON_DEPTH_MAX + 2), wide=st.booleans())
def test_the_depth_is_that_of_the_brackets_outside_of_strings(depth: int, wide: bool) -> None:  # noqa: FBT001 - drawn
    brackets = '"[{\\"[[" ,' * 9 if wide else ""
    raw = b"[" * (depth - 1) + f"[{brackets}1]".encode() + b"]" * (depth - 1)

    if depth > limits.JSON_DEPTH_MAX:
        with pytest.raises(ProblemError, match="json_too_deep"):
            parse_json(raw)
    else:
        assert parse_json(raw).raw == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000,
        b'["' * 10_000,
        b'"' + b'\\"' * 500_000,
        b'{"' * 300_000,
        b"[]," * 300_000,
    ],
    ids=["closed", "open", "strings", "an open string", "keys", "side by side"],
)
def test_a_hostile_body_is_refused_at_once(raw: bytes) -> None:
    began_s = time.process_time()

    with pytest.raises(ProblemError) as refused:
        parse_json(raw)

    assert refused.value.status == 400
    # The bodies of the last four are a megabyte: the largest that any route reads.
    assert time.process_time() - began_s < 0.05 * max(1, len(raw) / 50_000)


async def test_a_body_in_parts_is_put_together() -> None:
    request = request_of(
        part(b'{"amo', more=True), part(b"", more=True), part(b'unt":1}'), headers=(JSON_TYPE,)
    )

    assert (await read_json(request)).parse(Order) == Order(amount=1)


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_S_MAX", 0.01)
    request = request_of(part(b"{", more=True), headers=(JSON_TYPE,))

    with pytest.raises(ProblemError) as refused:
        await read_json(request)

    assert (refused.value.status, refused.value.code) == (408, "request_timeout")
    assert refused.value.headers["Connection"] == "close"


async def test_a_body_that_breaks_off_is_not_read_as_if_it_were_whole() -> None:
    request = request_of(part(b"{}", more=True), {"type": "http.disconnect"}, headers=(JSON_TYPE,))

    with pytest.raises(ProblemError, match="incomplete_body"):
        await read_json(request)


async def test_a_body_is_cut_at_the_limit_while_it_streams_in() -> None:
    chunk = part(b" " * 1024, more=True)
    request = request_of(*[chunk] * 1024, headers=(JSON_TYPE,))

    with pytest.raises(ProblemError, match="body_too_large"):
        await read_json(request, bytes_max=10 * 1024)

    # What came after the limit was left unread.
    assert (await request.receive())["more_body"]


async def test_a_body_whose_length_is_too_large_is_refused_unread() -> None:
    request = request_of(part(b"{}"), headers=(JSON_TYPE, (b"content-length", str(10**9).encode())))

    with pytest.raises(ProblemError, match="body_too_large"):
        await read_json(request)

    assert (await request.receive())["body"] == b"{}"


def test_every_fault_of_a_body_is_told_and_none_of_its_contents() -> None:
    body = parse_json(b'{"amount":"canary","handles":["a",1,"canary"],"canary":2}')

    with pytest.raises(ProblemError) as refused:
        body.parse(Order)

    faults = {fault.pointer: fault.message for fault in refused.value.faults}
    assert faults.keys() == {"/amount", "/handles/1", ""}
    assert faults[""] == "a field here is not known; known are amount, handles"
    assert "canary" not in str(refused.value.document("r"))
