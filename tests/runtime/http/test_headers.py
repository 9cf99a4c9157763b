"""What is read from headers: idempotency keys, preferences, and nothing that is malformed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import limits
from runtime.http.idempotency import idempotency_key_of, parse_idempotency_key
from runtime.http.prefer import wait_of
from runtime.http.problem import ProblemError
from runtime.http.scope import keep_headers

visible = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E),
    min_size=1,
    max_size=limits.IDEMPOTENCY_KEY_CHARACTERS_MAX,
)


def scope_of(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    scope: dict[str, Any] = {"type": "http", "headers": headers}
    keep_headers(scope)
    return scope


@given(key=visible)
def test_a_key_in_quotes_is_the_same_key(key: str) -> None:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')

    assert parse_idempotency_key(f'"{escaped}"') == key
    if not key.startswith('"'):
        assert parse_idempotency_key(key) == key


@given(text=st.text(max_size=300))
def test_a_key_is_visible_ascii_or_refused(text: str) -> None:
    key = ""
    try:
        key = parse_idempotency_key(text)
    except ProblemError as problem:
        refused = problem.code
    if key:
        assert len(key) <= limits.IDEMPOTENCY_KEY_CHARACTERS_MAX
        assert key.isascii()
        assert key.isprintable()
        assert " " not in key
    else:
        assert refused == "invalid_idempotency_key"


def test_no_key_is_no_fault() -> None:
    assert idempotency_key_of(scope_of()) is None


def test_two_keys_are() -> None:
    with pytest.raises(ProblemError, match="idempotency_key_repeated"):
        idempotency_key_of(scope_of((b"idempotency-key", b"a"), (b"idempotency-key", b"a")))


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([], None),
        ([b"wait=5"], 5),
        ([b"wait=0"], 0),
        ([b"Wait = 5"], 5),
        ([b'wait="5"'], 5),
        ([b"respond-async, wait=5"], 5),
        ([b"wait=5; strict"], 5),
        ([b"respond-async", b"wait=7"], 7),
        ([b"wait=5, wait=7"], 5),
        ([b"wait=999999999"], limits.WAIT_S_MAX),
        ([b"wait=99999999999999999999"], None),
        ([b"wait"], None),
        ([b"wait="], None),
        ([b"wait=-1"], None),
        ([b"wait=1.5"], None),
        ([b"wait=soon"], None),
        ([b"waiting=5"], None),
        ([b"respond-async"], None),
    ],
)
def test_a_wait_is_heeded_up_to_its_limit(headers: list[bytes], wait_s: int | None) -> None:
    assert wait_of(scope_of(*((b"prefer", value) for value in headers))) == wait_s
