"""AES-256-GCM: the published vectors, and what may never open."""

import base64
import os
import re
import string
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Defect, Invalid
from runtime.vault import Binding, Cipher
from runtime.vault import cipher as cipher_module
from runtime.vault.envelope import (
    HEADER_BYTES,
    NONCE_BYTES,
    SEALED_FROM,
    TAG_BYTES,
    VERSION,
    read_header,
    to_bytes,
    to_text,
)

KEY = bytes(range(32))
KEY_ID = UUID("0de00000-0000-4000-8000-000000000001")
CIPHER = Cipher(KEY, key_id=KEY_ID, kek_id=7)
HERE = Binding("users", "email", "row", "owner")

fields = st.text(max_size=20).filter(lambda text: "\0" not in text)
bindings = st.builds(Binding, fields, fields, fields, fields)


def vectors(file: str) -> Iterator[Mapping[str, Any]]:
    """NIST's CAVS vectors of 256-bit keys, 96-bit nonces and 128-bit tags: what we use."""
    sizes: dict[str, int] = {}
    case: dict[str, Any] = {}
    with cryptography_vectors.open_vector_file(f"ciphers/AES/GCM/{file}", "r") as lines:
        for line in map(str.strip, lines):
            if size := re.fullmatch(r"\[(\w+) = (\d+)\]", line):
                sizes[size[1]] = int(size[2])
            elif entry := re.fullmatch(r"(\w+) = ?([0-9a-f]*)", line):
                case[entry[1]] = entry[2]
            elif line == "FAIL":
                case["FAIL"] = True
            elif not line and "Key" in case:
                if (sizes["IVlen"], sizes["Taglen"]) == (96, 128):
                    yield case
                case = {}


def test_nists_encryptions_come_out_as_published() -> None:
    count = 0
    for case in vectors("gcmEncryptExtIV256.rsp"):
        nonce, plain, bound = (bytes.fromhex(case[name]) for name in ("IV", "PT", "AAD"))
        cipher = Cipher(bytes.fromhex(case["Key"]), key_id=KEY_ID, kek_id=1)
        assert cipher._gcm.encrypt(nonce, plain, bound).hex() == case["CT"] + case["Tag"]
        count += 1
    assert count == 375


def test_nists_decryptions_come_out_as_published_and_its_forgeries_fail() -> None:
    opened = forged = 0
    for case in vectors("gcmDecrypt256.rsp"):
        nonce, sealed, bound = (
            bytes.fromhex(text) for text in (case["IV"], case["CT"] + case["Tag"], case["AAD"])
        )
        cipher = Cipher(bytes.fromhex(case["Key"]), key_id=KEY_ID, kek_id=1)
        if "FAIL" in case:
            with pytest.raises(InvalidTag):
                cipher._gcm.decrypt(nonce, sealed, bound)
            forged += 1
        else:
            assert cipher._gcm.decrypt(nonce, sealed, bound).hex() == case["PT"]
            opened += 1
    assert opened + forged == 375
    assert forged > 100


def test_the_envelope_is_as_documented() -> None:
    """Put together by hand from the page, so that another program could read it."""
    envelope = CIPHER.encrypt(b"alice", HERE)

    header, nonce = envelope[:21], envelope[21:33]
    assert header == bytes([VERSION]) + (7).to_bytes(4, "big") + KEY_ID.bytes
    bound = header + b"users\0email\0row\0owner"
    assert AESGCM(KEY).decrypt(nonce, envelope[33:], bound) == b"alice"
    assert len(envelope) == HEADER_BYTES + NONCE_BYTES + len(b"alice") + TAG_BYTES
    assert read_header(envelope) == (7, KEY_ID)


@given(st.binary(max_size=200))
def test_a_text_is_url_safe_base64_of_the_envelope(envelope: bytes) -> None:
    assert to_text(envelope) == base64.urlsafe_b64encode(envelope).decode()
    assert to_bytes(to_text(envelope)) == envelope


@given(envelope=st.binary(min_size=1, max_size=12))
def test_no_other_text_is_the_same_envelope(envelope: bytes) -> None:
    def opened(text: str) -> bytes | None:
        try:
            return to_bytes(text)
        except Invalid:
            return None

    text = to_text(envelope)
    for place, there in enumerate(text):
        for letter in string.ascii_letters + string.digits + "-_+/=":
            if letter != there:
                assert opened(text[:place] + letter + text[place + 1 :]) != envelope


@given(st.text() | st.binary(), bindings)
def test_opens_what_it_sealed_and_never_seals_alike(plain: str | bytes, binding: Binding) -> None:
    if isinstance(plain, str):
        text = CIPHER.encrypt(plain, binding)
        assert CIPHER.decrypt(text, binding) == plain
        assert CIPHER.encrypt(plain, binding) != text
    else:
        raw = CIPHER.encrypt(plain, binding)
        assert CIPHER.decrypt(raw, binding) == plain
        assert CIPHER.encrypt(plain, binding) != raw


@given(bindings, bindings)
def test_opens_in_its_own_place_only(one: Binding, other: Binding) -> None:
    sealed = CIPHER.encrypt("text", one)

    if one == other:
        assert CIPHER.decrypt(sealed, other) == "text"
    else:
        with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
            CIPHER.decrypt(sealed, other)


@given(st.binary(max_size=100), st.data())
def test_no_bit_of_an_envelope_can_be_changed(plain: bytes, data: st.DataObject) -> None:
    envelope = bytearray(CIPHER.encrypt(plain, HERE))
    place = data.draw(st.integers(0, 8 * len(envelope) - 1))
    envelope[place // 8] ^= 1 << place % 8

    with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
        CIPHER.decrypt(bytes(envelope), HERE)


@given(st.binary(max_size=100), st.data())
def test_an_envelope_that_was_cut_or_grew_does_not_open(plain: bytes, data: st.DataObject) -> None:
    envelope = CIPHER.encrypt(plain, HERE)
    cut = envelope[: data.draw(st.integers(0, len(envelope) - 1))]

    for wrong in (cut, envelope + b"\0"):
        with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
            CIPHER.decrypt(wrong, HERE)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_anything_else_is_refused_in_the_same_words(junk: str | bytes) -> None:
    with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
        CIPHER.decrypt(junk, HERE)  # type: ignore[type-var] # either, which mypy takes for neither


def test_another_key_does_not_open_it_even_under_the_same_id() -> None:
    sealed = CIPHER.encrypt("text", HERE)

    for other in (
        Cipher(KEY, key_id=UUID(int=1), kek_id=7),
        Cipher(b"x" * 32, key_id=KEY_ID, kek_id=7),
    ):
        with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
            other.decrypt(sealed, HERE)


def test_a_key_that_was_wrapped_anew_opens_what_it_sealed_before() -> None:
    sealed = CIPHER.encrypt("text", HERE)

    assert Cipher(KEY, key_id=KEY_ID, kek_id=8).decrypt(sealed, HERE) == "text"


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_a_key_of_another_size_is_no_key(size: int) -> None:
    with pytest.raises(Invalid, match="32 bytes"):
        Cipher(bytes(size), key_id=KEY_ID, kek_id=1)


@pytest.mark.parametrize("version", [0, 1, 3, 255])
def test_an_envelope_of_another_version_does_not_open(version: int) -> None:
    envelope = bytes([version]) + CIPHER.encrypt(b"text", HERE)[1:]
    with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
        CIPHER.decrypt(envelope, HERE)
    with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
        read_header(envelope)


def test_bytes_that_are_no_text_do_not_open_as_text() -> None:
    sealed = to_text(CIPHER.encrypt(b"\xff", HERE))

    assert CIPHER.decrypt(to_bytes(sealed), HERE) == b"\xff"
    with pytest.raises(Invalid, match="sealed_text"):
        CIPHER.decrypt(sealed, HERE)


def test_no_two_places_are_bound_alike() -> None:
    with pytest.raises(Defect, match="NUL"):
        Binding("a", "b\0c", "d", "e").encoded()
    assert Binding("t", "c", KEY_ID, KEY_ID).encoded() == f"t\0c\0{KEY_ID}\0{KEY_ID}".encode()


def test_ten_thousand_nonces_are_all_different() -> None:
    nonces = {CIPHER.encrypt(b"", HERE)[HEADER_BYTES:SEALED_FROM] for _ in range(10_000)}
    assert len(nonces) == 10_000


def test_a_forked_child_seals_with_nonces_of_its_own() -> None:
    """Twice the same nonce under one key would tell both texts."""
    CIPHER.encrypt(b"", HERE)
    if not cipher_module._nonces:
        # That took the last one that an earlier test had left.
        CIPHER.encrypt(b"", HERE)
    assert cipher_module._nonces
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, bytes([len(cipher_module._nonces)]))
        os._exit(0)
    os.waitpid(child, 0)
    left = os.read(reader, 1)
    os.close(reader)
    os.close(writer)

    assert left == b"\0"


def test_eight_threads_never_seal_with_one_nonce() -> None:
    def nonces(_: int) -> list[bytes]:
        return [CIPHER.encrypt(b"", HERE)[HEADER_BYTES:SEALED_FROM] for _ in range(2_000)]

    with ThreadPoolExecutor(8) as pool:
        found = [nonce for each in pool.map(nonces, range(8)) for nonce in each]
    assert len(set(found)) == len(found)
