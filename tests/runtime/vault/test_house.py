import base64
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Defect, Invalid
from runtime.settings import Profile, Settings
from runtime.vault import Vault, load_vault

VAULT = Vault(b"k" * 32)


@given(st.text())
def test_opens_what_it_sealed_and_never_seals_alike(text: str) -> None:
    sealed = VAULT.seal(text, "display_name")

    assert VAULT.open(sealed, "display_name") == text
    assert VAULT.seal(text, "display_name") != sealed


WRONG = {
    "empty": "",
    "no ciphertext": "AQ==",
    "not base64": "not base64 !",
    "another purpose": VAULT.seal("alice", "description"),
    "another key": Vault(b"x" * 32).seal("alice", "display_name"),
    "cut short": VAULT.seal("alice", "display_name")[:-8],
    "another version": base64.urlsafe_b64encode(b"\x02" + b"n" * 40).decode(),
}


@pytest.mark.parametrize("fault", WRONG)
def test_whatever_is_wrong_is_refused_in_the_same_words(fault: str) -> None:
    with pytest.raises(Invalid, match="the sealed text does not open"):
        VAULT.open(WRONG[fault], "display_name")


def test_the_demo_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path)
    sealed = load_vault(settings).seal("alice", "display_name")

    assert load_vault(settings).open(sealed, "display_name") == "alice"
    assert stat.S_IMODE((tmp_path / "vault.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["vault.key"]


def test_a_damaged_demo_key_is_said_not_used(tmp_path: Path) -> None:
    (tmp_path / "vault.key").write_bytes(b"short")
    with pytest.raises(Defect, match="make clean"):
        load_vault(Settings(data_directory=tmp_path))


@pytest.mark.parametrize("key", [None, "c2hvcnQ=", "not base64"])
def test_production_demands_a_key_that_fits(key: str | None, tmp_path: Path) -> None:
    settings = Settings(profile=Profile.PRODUCTION, vault_key=key, data_directory=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        load_vault(settings)


def test_texts_of_the_first_version_still_open() -> None:
    """Written before keys had ids: `1 | nonce | ciphertext | tag`, the purpose bound to it."""
    nonce = b"n" * 12
    sealed = AESGCM(b"k" * 32).encrypt(nonce, b"alice", b"display_name")
    text = base64.urlsafe_b64encode(b"\x01" + nonce + sealed).decode()

    assert VAULT.open(text, "display_name") == "alice"
    assert Vault(b"n" * 32, b"k" * 32).open(text, "display_name") == "alice"
    with pytest.raises(Invalid, match="the sealed text does not open"):
        VAULT.open(text, "description")


def test_a_new_key_seals_and_the_older_ones_still_open() -> None:
    old = VAULT.seal("alice", "display_name")
    both = Vault(b"n" * 32, b"k" * 32)
    new = both.seal("bob", "display_name")

    assert both.open(old, "display_name") == "alice"
    assert both.open(new, "display_name") == "bob"
    with pytest.raises(Invalid, match="the sealed text does not open"):
        VAULT.open(new, "display_name")


def test_the_variable_names_the_sealing_key_first() -> None:
    keys = [base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
    both = load_vault(Settings(vault_key=", ".join(keys)))  # type: ignore[arg-type]
    first = load_vault(Settings(vault_key=keys[0]))  # type: ignore[arg-type]

    assert first.open(both.seal("alice", "purpose"), "purpose") == "alice"
