"""Signing keys by their times: one signs, those that may have signed are published."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from producers.auth import limits
from producers.auth.signing import (
    KeyRow,
    jwk_of,
    kid_of,
    new_key,
    published_rows,
    signing_row,
)
from runtime.http.access_token import LEEWAY_S
from runtime.http.token_keys import FRESH_S, REFETCH_S

START = datetime(2026, 11, 23, tzinfo=UTC)


def history(pauses_s: list[int]) -> list[KeyRow]:
    """Keys as rotations make them: the first signs at once, the others once published."""
    rows: list[KeyRow] = []
    created_at = START
    for number, pause_s in enumerate(pauses_s):
        created_at += timedelta(seconds=pause_s)
        signs_from = created_at + timedelta(seconds=limits.KEY_PUBLISHED_S if number else 0)
        rows.append(KeyRow(f"k{number}", "", "{}", created_at, signs_from, None))
    return rows


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=6), st.integers(0, 12_000))
def test_whatever_was_signed_can_be_verified_for_as_long_as_it_lives(
    pauses_s: list[int], after_s: int
) -> None:
    rows = history(pauses_s)
    at = START + timedelta(seconds=pauses_s[0] + after_s)

    def known(now: datetime) -> list[KeyRow]:
        return [row for row in rows if row.created_at <= now]

    signer = signing_row(known(at), at)

    assert signer is not None
    for later_s in (0, limits.ACCESS_TOKEN_S, limits.ACCESS_TOKEN_S + LEEWAY_S):
        then = at + timedelta(seconds=later_s)
        assert signer in published_rows(known(then), then)


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=6), st.integers(0, 12_000))
def test_a_key_that_signs_was_published_for_longer_than_anybody_waits_to_ask(
    pauses_s: list[int], after_s: int
) -> None:
    rows = history(pauses_s)
    at = START + timedelta(seconds=pauses_s[0] + after_s)
    signer = signing_row([row for row in rows if row.created_at <= at], at)
    assert signer is not None
    if signer is not rows[0]:
        asked = timedelta(seconds=limits.KEYS_FRESH_S + FRESH_S + REFETCH_S)
        assert at - signer.created_at >= asked


def test_old_keys_are_published_no_more_and_revoked_ones_at_once() -> None:
    rows = history([0, 1_000, 1_000])
    late = START + timedelta(seconds=2_000 + limits.KEY_PUBLISHED_S + limits.KEY_KEPT_S + 1)
    assert [row.kid for row in published_rows(rows, late)] == ["k2"]

    revoked = [KeyRow("k9", "", "{}", START, START, START), *rows]
    assert "k9" not in [row.kid for row in published_rows(revoked, START)]
    assert signing_row(revoked[:1], START) is None


def test_a_key_is_named_by_its_thumbprint_and_shows_its_public_half_only() -> None:
    key = new_key()
    jwk = jwk_of(key.public_key())
    assert jwk["kid"] == kid_of(key.public_key())
    assert jwk.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert kid_of(new_key().public_key()) != jwk["kid"]
